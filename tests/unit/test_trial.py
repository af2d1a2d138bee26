"""What the cluster would refuse is the state of the staged version: a dry run at the end of staging finds it."""

import json
import threading
from dataclasses import replace

import pytest

from kelvin_provision.cluster.plan import Finding
from kelvin_provision.errors import PlanRefused, RequestRefused
from kelvin_provision.ledger.staging_state import ApplyFailed, Waiting
from kelvin_provision.queries.follow import FollowRequest, follow
from kelvin_provision.spec.enums import Method
from kelvin_provision.wait_reason import WaitKind, WaitReason
from tests.kit.box import FAST, Box
from tests.kit.waiting import PATIENCE

pytestmark = pytest.mark.slow

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
    def refuse(spec, locks, revision, members):
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


def during_the_next_plan(box, action):
    """`action` gets the same box, as another process would have it."""
    plan, done = box.cluster.plan, []

    def planned(*arguments):
        if not done:
            done.append(True)
            other = Box(box.settings.state_dir, like=box)
            action(other)
            other.close()
        return plan(*arguments)

    box.cluster.plan = planned


@pytest.mark.parametrize("blocks", [True, False])
@pytest.mark.parametrize("findings", [[], [FIELD]])
def test_a_failure_of_another_version_while_it_was_tried_stays(box, findings, blocks):
    box.deploy("a")
    box.turn()
    box.cluster.findings = findings
    during_the_next_plan(box, lambda other: other.ledger.advance(staged(other), ApplyFailed("exit code 3", blocks=blocks)))
    box.deploy("b")
    box.turn()
    assert (staged(box).failure, staged(box).blocked, staged(box).waiting) == ("exit code 3", blocks, None)
    assert staged(box, "b").slot.refused is False


def test_a_version_that_was_applied_while_it_was_tried_has_no_finding(box):
    box.deploy("a")
    box.turn()
    during_the_next_plan(box, lambda other: (other.command_apply("a"), setattr(box.cluster, "findings", [FIELD])))
    box.deploy("b")
    box.turn()
    assert (box.states()["a"], box.ledger.workload("a").running.waiting) == (("running", None), None)


def test_a_bug_in_the_plan_keeps_nothing_from_being_ready_and_is_logged(box, monkeypatch):
    def plan(*arguments):
        raise TypeError("no such thing")

    monkeypatch.setattr(box.cluster, "plan", plan)
    box.deploy("a")
    box.turn()
    assert (box.states(), box.warnings("a")) == ({"a": ("staged", "ready")}, [])
    said = [getattr(event, "text", "") for event in box.said]
    assert "the dry run of the staged versions failed: our bug" in said
    assert "TypeError: no such thing" in said


@pytest.mark.parametrize("ends", ["the agent", "the time for it"])
def test_a_plan_that_takes_long_is_abandoned(box, monkeypatch, ends):
    asked, answered = threading.Event(), threading.Event()
    plan = box.cluster.plan

    def slow(*arguments):
        asked.set()
        answered.wait(PATIENCE)
        return plan(*arguments)

    monkeypatch.setattr(box.cluster, "plan", slow)
    box.cluster.findings = [FIELD]
    if ends == "the time for it":
        box.timings = replace(FAST, trial=0.0)
    box.deploy("a")
    box.turn(stop=lambda: ends == "the agent" and asked.is_set())
    assert not answered.is_set()
    answered.set()
    assert (box.states(), box.warnings("a")) == ({"a": ("staged", "ready")}, [])


@pytest.mark.parametrize("names", [("a", "b"), ("b", "a")])
def test_the_ready_members_of_a_request_are_tried_when_another_one_cannot_be_staged(box, names):
    box.cluster.findings = [FIELD]
    box.deploy(*names)
    del box.source.images["r.io/b:1.0.0"]
    box.turn()
    assert (box.warnings("a"), staged(box, "b").blocked) == ([TEXT], True)


def test_a_version_that_waits_for_something_else_goes_on_waiting_for_it(box):
    box.deploy("a")
    box.turn()
    box.ledger.advance(staged(box), Waiting(WaitReason(WaitKind.HOLD, workloads=("a",))))
    box.deploy("b")
    box.turn()
    assert staged(box).waiting == WaitReason(WaitKind.HOLD, workloads=("a",))


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
