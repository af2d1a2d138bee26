"""The agent's turns and the apply, on fakes: what a technician sees in `list` after each of them."""

from types import SimpleNamespace

import pytest

from kelvin_provision.agent.lifecycle import process
from kelvin_provision.applying.selection import choose
from kelvin_provision.cluster.plan import Finding
from kelvin_provision.errors import (
    ApplyFailed,
    Locked,
    NothingStaged,
    NotReady,
    PlanRefused,
    RegistryUnreachable,
    RuntimeUnreachable,
    UsageRefused,
)
from kelvin_provision.events import Note
from kelvin_provision.files.lock import exclusive
from kelvin_provision.queries.items import item_of
from kelvin_provision.spec.enums import Method
from kelvin_provision.usecases import deploy
from tests.kit.box import Box, reconcile


@pytest.fixture
def box(tmp_path, monkeypatch):
    found = Box(tmp_path)
    yield found
    found.close()


def test_a_staged_workload_waits_for_apply_and_then_runs(box):
    box.deploy("a")
    assert box.states() == {"a": ("staged", "received")}
    assert box.turn() is True
    assert box.states() == {"a": ("staged", "ready")}
    box.command_apply("a")
    assert box.states() == {"a": ("running", None)}
    assert box.cluster.image_of("a").startswith("r.io/a:1.0.0@sha256:")


def test_staging_does_not_touch_what_runs(box):
    box.deploy("a")
    box.turn()
    box.command_apply("a")
    calls = list(box.cluster.calls)
    box.deploy("a", version="2.0.0")
    box.turn()
    assert box.cluster.calls == [*calls, ("plan", "a")], "a dry run alone"
    assert box.states() == {"a": ("running", "ready")}


def test_applying_needs_no_source(box):
    box.deploy("a")
    box.turn()
    box.source.down = RegistryUnreachable("no route to host")
    box.runtime.garbage_collect(box.ledger.workload("a").staged.locks[0]) if box.ledger.workload("a").staged.locks else None
    box.command_apply("a")
    assert box.states() == {"a": ("running", None)}
    assert len(box.runtime.loaded) == 2  # the collector had taken it; the store gave it back


def test_an_image_that_is_gone_everywhere_is_found_in_the_plan(box):
    box.deploy("a")
    box.turn()
    (lock,) = box.ledger.workload("a").staged.locks
    box.runtime.garbage_collect(lock)
    box.store.path(lock.layers[0]).unlink()
    with pytest.raises(PlanRefused) as caught:
        box.command_apply("a")
    assert caught.value.evidence == (
        "a: r.io/a:1.0.0: is neither in the runtime nor in the store: deploy the workload again while there is a network [image-missing]",
    )
    assert ("put", "a") not in box.cluster.calls


def test_a_group_is_applied_when_all_of_it_is_here(box):
    box.deploy("a", "b", method=Method.INSTANT)
    missing = box.source.images.pop("r.io/b:1.0.0")
    box.source.down = None
    box.turn()
    assert box.states() == {"a": ("received", "ready"), "b": ("failed", "failed")}
    assert box.warnings("b") == ["r.io/b:1.0.0: not found"]
    box.source.images["r.io/b:1.0.0"] = missing
    box.deploy("b", method=Method.INSTANT)
    box.turn()
    assert box.states() == {"a": ("running", None), "b": ("running", None)}


def test_a_standard_deploy_is_applied_without_a_download(box):
    box.deploy("a", method=Method.STANDARD)
    assert box.states() == {"a": ("pending_deploy", None)}
    box.turn()
    assert box.states() == {"a": ("running", None)}
    assert box.source.served == []


def test_a_registry_that_is_away_is_the_cause_in_the_list(box):
    box.deploy("a")
    box.source.down = RegistryUnreachable("r.io: no route to host")
    assert box.turn() is False
    document = item_of(box.ledger.workload("a")).to_json()
    assert (document["download_status"], document["download_error"]) == ("processing", "r.io: no route to host")
    box.source.down = None
    assert box.turn() is True
    assert item_of(box.ledger.workload("a")).download_error is None


def test_a_group_that_does_not_come_up_waits_for_a_person(box):
    box.deploy("a", method=Method.INSTANT)
    box.cluster.broken = {"a": "exit code 3"}
    assert box.turn() is True
    assert box.states() == {"a": ("failed", "failed")}
    assert box.warnings("a") == ["version 1.0.0 was not applied: a: exit code 3"]
    calls = len(box.cluster.calls)
    box.turn()
    assert len(box.cluster.calls) == calls
    box.cluster.broken = {}
    box.command_apply("a")
    assert box.states() == {"a": ("running", None)}


def test_a_new_request_during_the_download_stops_the_old_one_and_keeps_its_bytes(box):
    (first,) = box.deploy("a")
    box.deploy("a", version="2.0.0")
    box.turn()
    assert box.ledger.workload("a").staged.spec.app_version == "2.0.0"
    assert not box.ledger.staged_now(first)


def test_findings_of_the_plan_touch_nothing_and_are_kept(box):
    box.deploy("a")
    box.turn()
    box.cluster.findings = [Finding("immutable-field", "a", "Deployment/a", "spec.selector is immutable")]
    with pytest.raises(PlanRefused, match="1 finding, nothing was changed") as caught:
        box.command_apply("a")
    assert caught.value.evidence == ("a: Deployment/a: spec.selector is immutable [immutable-field]",)
    assert ("put", "a") not in box.cluster.calls
    assert box.warnings("a") == ["version 1.0.0 was not applied: 1 finding, nothing was changed"]


def test_what_to_apply_must_be_named_staged_and_ready(box):
    with pytest.raises(UsageRefused, match="no workloads to apply were given"):
        choose(box.ledger, [], everything=False)
    with pytest.raises(UsageRefused, match="give names or --all, not both"):
        choose(box.ledger, ["a"], everything=True)
    assert choose(box.ledger, [], everything=True) == ()
    box.deploy("a")
    with pytest.raises(NotReady, match=r"a is not ready \(pending\)"):
        box.command_apply("a")
    box.turn()
    box.command_apply("a")
    with pytest.raises(NothingStaged, match="nothing is staged for a"):
        box.command_apply("a")


def test_a_failed_apply_by_hand_can_be_tried_again(box):
    box.deploy("a")
    box.turn()
    box.cluster.broken = {"a": "exit code 3"}
    with pytest.raises(ApplyFailed):
        box.command_apply("a")
    assert box.states() == {"a": ("staged", "failed")}
    box.cluster.broken = {}
    box.command_apply("a")
    assert box.states() == {"a": ("running", None)}


def test_undeploying_frees_what_nobody_else_needs(box):
    box.deploy("a", "b")
    box.turn()
    box.command_apply("a", "b")
    assert box.undeploy("a").freed > 3000
    assert [name.partition("@")[0] for name in box.runtime.owned()] == ["r.io/b"]
    assert all(box.store.has(blob) for lock in box.ledger.kept_locks() for blob in lock.blobs())


def test_tending_puts_images_back_and_looks_at_the_cluster(box):
    box.deploy("a")
    box.turn()
    box.command_apply("a")
    (lock,) = box.ledger.workload("a").running.locks
    box.runtime.garbage_collect(lock)
    box.cluster.broken = {"a": "back-off restarting failed container"}
    reconcile(box)
    assert box.runtime.has(lock)
    assert ("retry_stuck_pods", "a") in box.cluster.calls
    assert box.states() == {"a": ("failed", None)}
    box.cluster.calls.clear()
    reconcile(box)
    assert ("retry_stuck_pods", "a") not in box.cluster.calls
    box.cluster.unreachable = True
    reconcile(box)
    assert box.states() == {"a": ("unreachable", None)}


def test_a_person_at_work_puts_a_group_off(box, monkeypatch):
    box.deploy("a", method=Method.STANDARD)
    with exclusive(box.settings.state_dir / "lock", command="workloads apply -n b"):
        assert box.turn() is False
    assert box.states() == {"a": ("received", None)}
    assert any(isinstance(said, Note) and "waits" in said.text for said in box.said)
    box.turn()
    assert box.states() == {"a": ("running", None)}


def test_one_agent_at_a_time(box):
    with exclusive(process.lock_path(box.settings.state_dir), command="agent run"), pytest.raises(Locked):
        box.work(lambda: True)
    assert process.alive(box.settings.state_dir) is None


def test_the_agent_ends_when_it_is_idle_or_when_nothing_is_left(box):
    box.deploy("a", method=Method.STANDARD)
    box.work(lambda: False, until_idle=True)
    assert box.states() == {"a": ("running", None)}
    box.undeploy("a")
    box.work(lambda: False, until_empty=True)


def test_deploy_refuses_what_the_cluster_has_no_place_for(box):
    from kelvin_provision.errors import ClusterUnreachable, RequestRefused

    def refuse(spec, locks, revision, members):
        raise RequestRefused("no", evidence=[f"{spec.name}: this box has no Kubernetes"])

    spec = SimpleNamespace(name="a")
    with pytest.raises(RequestRefused) as caught:
        deploy.refuse_unsupported(SimpleNamespace(render=refuse), [spec, spec])
    assert caught.value.evidence == ("a: this box has no Kubernetes",) * 2

    def silent(spec, locks, revision, members):
        raise ClusterUnreachable("no answer")

    deploy.refuse_unsupported(SimpleNamespace(render=silent), [spec])


def test_trouble_of_the_box_is_logged_once_and_not_at_every_retry(tmp_path):
    box = Box(tmp_path)
    box.runtime = RuntimeUnreachable("containerd does not answer", evidence=["connect: no such file or directory"])
    box.deploy("a")
    for _ in range(3):
        box.turn()
    waits = [event.text for event in box.said if isinstance(event, Note) and "waits" in event.text]
    assert waits == ["staging a waits: containerd does not answer"]
    assert box.warnings("a") == ["containerd does not answer (connect: no such file or directory)"]
    box.close()
