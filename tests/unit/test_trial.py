"""What the cluster would refuse is the state of the staged version: a dry run at the end of staging finds it."""

import json
from dataclasses import replace

import pytest

from kelvin_provision.cluster.plan import Finding
from kelvin_provision.errors import PlanRefused, RequestRefused
from kelvin_provision.queries.follow import FollowRequest, follow
from kelvin_provision.spec.enums import Method
from tests.kit.box import Box

FIELD = Finding("invalid-object", "a", "Job/a", "spec.replicas: must not be negative")
TEXT = "the cluster would refuse this version: Job/a: spec.replicas: must not be negative [invalid-object]"


@pytest.fixture
def box(tmp_path):
    found = Box(tmp_path / "state")
    yield found
    found.close()


def staged(box, name="a"):
    return box.ledger.workload(name).staged


def test_what_would_be_refused_is_the_state_of_the_staged_version_in_list_and_show(box):
    box.cluster.findings = [FIELD]
    box.deploy("a")
    box.turn()
    assert box.states() == {"a": ("staged", "failed")}
    assert box.warnings("a") == [TEXT]
    (listed,) = json.loads(box.run("workloads", "list", "--json").stdout)["data"]
    assert (listed["staged"]["ready"], listed["staged"]["status"]["warnings"]) == (False, [TEXT])
    assert TEXT in box.run("workloads", "show", "a").stdout.replace("\n", " ")
    assert [verb for verb, _ in box.cluster.calls if verb in {"put", "remove"}] == []


def test_a_second_finding_is_said_with_the_first(box):
    box.cluster.findings = [FIELD, Finding("not-ours", "a", "Secret/a", "Secret/a already exists")]
    box.deploy("a")
    box.turn()
    assert box.warnings("a") == [f"{TEXT}; Secret/a already exists [not-ours]"]


def test_what_the_cluster_accepts_and_what_passes_by_itself_is_ready(box):
    box.cluster.findings = [
        Finding("port-taken", "a", "Service/a", "taken"),
        Finding("namespace-terminating", "a", "Namespace/app", "goes"),
    ]
    box.deploy("a")
    box.turn()
    assert (box.states(), box.warnings("a")) == ({"a": ("staged", "ready")}, [])


def test_a_cluster_that_does_not_answer_changes_nothing(box):
    box.deploy("a")
    box.cluster.unreachable = True
    box.turn()
    assert (box.states(), box.warnings("a")) == ({"a": ("staged", "ready")}, [])


def test_what_this_cluster_cannot_have_at_all_is_found_too(box, monkeypatch):
    def refuse(spec, locks, revision):
        raise RequestRefused("not possible", evidence=["Job/a: a Job has no place here"])

    monkeypatch.setattr(box.cluster, "render", refuse)
    box.deploy("a")
    box.turn()
    assert box.warnings("a") == ["the cluster would refuse this version: Job/a: a Job has no place here"]


def needs(box, needed):
    """`a` is refused as long as `needed` is not tried together with it."""
    plan = box.cluster.plan

    def planned(desired, lookup, scales=None):
        findings = () if needed in desired or "a" not in desired else (FIELD,)
        return replace(plan(desired, lookup), findings=findings)

    box.cluster.plan = planned


def test_the_members_of_a_request_are_tried_together_when_the_last_is_here(box):
    needs(box, "b")
    box.deploy("a", "b")
    box.turn()
    assert box.states() == {"a": ("staged", "ready"), "b": ("staged", "ready")}


def test_a_version_that_brings_what_another_lacked_makes_it_ready(box):
    needs(box, "b")
    box.deploy("a")
    box.turn()
    assert box.states()["a"] == ("staged", "failed")
    box.deploy("b")
    box.turn()
    assert box.states() == {"a": ("staged", "ready"), "b": ("staged", "ready")}


def test_a_corrected_version_is_ready_and_a_refused_one_can_be_applied_once_the_cause_is_gone(box):
    box.cluster.findings = [FIELD]
    box.deploy("a")
    box.turn()
    with pytest.raises(PlanRefused):
        box.command_apply("a")
    box.cluster.findings = []
    box.deploy("a", version="1.0.1")
    box.turn()
    assert box.states() == {"a": ("staged", "ready")}
    box.command_apply("a")
    assert box.states() == {"a": ("running", None)}


def test_what_applies_itself_is_judged_by_its_apply_alone(box):
    box.deploy("a", method=Method.INSTANT)
    box.turn()
    assert [verb for verb, _ in box.cluster.calls].count("plan") == 1


def test_who_waits_for_the_version_hears_of_it(box):
    box.cluster.findings = [FIELD]
    revisions = box.deploy("a")
    box.turn()
    with pytest.raises(PlanRefused, match="a: the cluster would refuse this version"):
        follow(box.ctx, FollowRequest(revisions, timeout=1.0))
    waited = box.run("workloads", "wait", "--for", "ready", "a", "--timeout", "1")
    assert (waited.exit_code != 0, "would refuse" in waited.stderr) == (True, True)
