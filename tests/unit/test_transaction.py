"""The transaction on a fake cluster: all or nothing, and a crash at every step of it."""

import itertools
from dataclasses import replace

import pytest

from kelvin_provision.applying import recovery, transaction
from kelvin_provision.applying.plan import Prepared
from kelvin_provision.applying.policy import ApplyPolicy
from kelvin_provision.cli.frame.hints import line as shell_line
from kelvin_provision.cluster.health import Health, Phase, WaitPolicy
from kelvin_provision.cluster.plan import Plan
from kelvin_provision.errors import (
    ApplyFailed,
    ClusterRefused,
    ClusterUnreachable,
    Interrupted,
    RemovalUnfinished,
    SecretMissing,
    UndoFailed,
)
from kelvin_provision.events import Note
from kelvin_provision.ledger import history, journal
from kelvin_provision.ledger.model.operations import Phase as JournalPhase
from kelvin_provision.ledger.model.operations import Step
from kelvin_provision.spec.enums import Download, Method
from kelvin_provision.spec.workload import Spec, System, Variable
from kelvin_provision.status import OperationKind
from tests.kit.box import Box as FakeBox
from tests.kit.crash import crash_at, crashing
from tests.kit.staging import reach

POLICY = ApplyPolicy(forward=WaitPolicy(), back=WaitPolicy(), keep=2)


def lookup(name):
    raise SecretMissing(name)


class Box(FakeBox):
    """A ledger on disk and a fake cluster, and the commands a person would give."""

    def stage(self, version, *names):
        specs = [
            Spec(
                name=name,
                title=name,
                app_name="app",
                app_version=version,
                cluster_name="c",
                method=Method.STAGED,
                image=f"r.io/app:{version}",
            )
            for name in names
        ]
        for revision in self.ledger.accept(specs, version):
            self.ledger.set_locks(revision, [])
            self.ledger.set_objects(revision, self.cluster.render(revision.spec, (), revision.number))
            reach(self.ledger, revision, Download.READY)

    def apply(self, *names, stop=lambda: False, look_up=lookup):
        steps, wanted = [], {}
        for workload in self.ledger.workloads(names):
            staged = workload.staged
            steps.append(Step(workload.name, workload.running.number if workload.running else None, staged.number))
            wanted[workload.name] = staged.objects
        self.look_up = look_up
        transaction.carry_out(replace(self.ctx, stop=stop), Prepared(tuple(steps), wanted, Plan()), POLICY)

    def recover(self):
        self.look_up = lookup
        return recovery.recover(self.ctx, POLICY).reports

    def on_cluster(self, *names):
        return [self.cluster.image_of(name) for name in names]

    def versions(self, *names):
        return [
            (found.running and found.running.spec.app_version, found.staged and found.staged.spec.app_version)
            for found in self.ledger.workloads(names)
        ]


@pytest.fixture
def box(tmp_path):
    found = Box(tmp_path)
    yield found
    found.ledger.close()


def test_a_first_apply_brings_all_up(box):
    box.stage("1", "a", "b")
    box.apply("a", "b")
    assert box.on_cluster("a", "b") == ["r.io/app:1", "r.io/app:1"]
    assert box.versions("a", "b") == [("1", None), ("1", None)]
    assert [(entry.workload, entry.outcome) for entry in history.history(box.ledger)] == [("a", "done"), ("b", "done")]


def test_one_that_does_not_come_up_takes_all_back(box):
    box.stage("1", "a", "b")
    box.apply("a", "b")
    box.stage("2", "a", "b")
    crash = Health(Phase.FAILED, "CrashLoopBackOff: exit code 3")
    box.cluster.next_healths = {"b": [crash, crash, Health(Phase.READY)]}  # wait, evidence, wait again
    with pytest.raises(ApplyFailed, match=r"b: CrashLoopBackOff: exit code 3; rolled back to what ran before") as caught:
        box.apply("a", "b")
    assert caught.value.evidence == ("b: b: CrashLoopBackOff: exit code 3",)
    assert shell_line(caught.value.hint) == "kelvin-provision workloads show -n b"
    assert box.on_cluster("a", "b") == ["r.io/app:1", "r.io/app:1"]
    assert box.versions("a", "b") == [("1", "2"), ("1", "2")]
    assert journal.unfinished(box.ledger) is None


def test_a_new_workload_that_fails_is_removed_again_and_its_neighbour_goes_back(box):
    box.stage("1", "a")
    box.apply("a")
    box.stage("2", "a", "fresh")
    box.cluster.broken = {"fresh": "ImagePullBackOff"}
    with pytest.raises(ApplyFailed):
        box.apply("a", "fresh")
    assert box.on_cluster("a", "fresh") == ["r.io/app:1", None]


def test_what_is_not_up_in_time_is_said_to_be_waiting(box):
    box.stage("1", "a")
    box.cluster.next_healths = {"a": [Health(Phase.WAITING, "1 replicas to go")]}
    with pytest.raises(ApplyFailed, match="a: not up in time, 1 replicas to go"):
        box.apply("a")


def test_the_one_that_failed_is_named_before_those_that_only_were_not_up_yet(box):
    box.stage("1", "a", "b", "c")
    waiting = Health(Phase.WAITING, "up for 0 of 2 s")
    box.cluster.next_healths = {"a": [waiting] * 3, "b": [Health(Phase.FAILED, "exit code 3")] * 3, "c": [waiting] * 3}
    with pytest.raises(ApplyFailed, match=r"^b: exit code 3; a, c: not up yet then; rolled back") as caught:
        box.apply("a", "b", "c")
    assert shell_line(caught.value.hint) == "kelvin-provision workloads show -n b"
    assert caught.value.evidence[0] == "b: b: exit code 3"


def test_a_signal_undoes_it(box):
    box.stage("1", "a", "b")
    asked = itertools.count()
    with pytest.raises(Interrupted, match=r"stopped by a signal; rolled back to what ran before"):
        box.apply("a", "b", stop=lambda: next(asked) >= 1)
    assert box.on_cluster("a", "b") == [None, None]
    assert [entry.outcome for entry in history.history(box.ledger)] == ["undone", "undone"]


def test_a_missing_secret_undoes_what_was_put_before_it(box):
    secret = System(environment=(Variable("A", "<% secrets.a %>"),))
    box.stage("1", "a")
    (revision,) = box.ledger.accept(
        [Spec(name="b", title="b", app_name="x", app_version="1", cluster_name="c", method=Method.STAGED, image="r.io/x:1", system=secret)],
        "b",
    )
    box.ledger.set_objects(revision, box.cluster.render(revision.spec, (), 1))
    with pytest.raises(ApplyFailed, match=r"secrets\.a; rolled back to what ran before"):
        box.apply("a", "b")
    assert box.on_cluster("a", "b") == [None, None]


def test_when_the_old_version_does_not_come_up_either_it_says_what_is_certain(box):
    box.stage("1", "a", "b")
    box.apply("a", "b")
    box.stage("2", "a", "b")
    box.cluster.next_healths = {
        "a": [Health(Phase.READY), Health(Phase.READY)],
        "b": [Health(Phase.FAILED, "exit 3"), Health(Phase.FAILED, "exit 3"), Health(Phase.FAILED, "exit 4")],
    }
    with pytest.raises(UndoFailed, match="b: exit 3; the earlier version does not come up again") as caught:
        box.apply("a", "b")
    assert caught.value.evidence == (
        "a: certain: the earlier version is up",
        "b: certain: the earlier version is requested but not up: exit 4",
        "b: b: exit 3",
    )
    assert journal.unfinished(box.ledger) is None


def test_when_the_cluster_cannot_be_told_the_next_command_tries_the_way_back_again(box):
    box.stage("1", "a")
    box.apply("a")
    box.stage("2", "a")

    def gone(verb, workload):
        if verb in {"wait", "revert"}:
            raise ClusterUnreachable("no answer")

    box.cluster.before = gone
    with pytest.raises(UndoFailed, match="the undo could not be completed: no answer") as caught:
        box.apply("a")
    assert caught.value.evidence == ("a: not certain: it may be the old version, the new one or both (no answer)",)
    box.cluster.before = lambda verb, workload: None
    assert len(box.recover()) == 1
    assert box.on_cluster("a") == ["r.io/app:1"]
    assert journal.unfinished(box.ledger) is None


STEPS = [("put", "a"), ("put", "b"), ("wait", "a"), ("finish", "a"), ("finish", "b")]


@pytest.mark.parametrize(("verb", "workload"), STEPS)
def test_a_crash_at_any_step_of_an_apply_is_undone_or_finished_by_the_next_command(box, verb, workload):
    box.stage("1", "a", "b")
    box.apply("a", "b")
    box.stage("2", "a", "b")

    with crash_at(box.cluster, verb=verb, workload=workload):
        box.apply("a", "b")
    assert [found.situation.operation for found in box.ledger.workloads()] == ["apply", "apply"]
    (said,) = box.recover()
    version = "2" if verb == "finish" else "1"
    assert said.endswith("of a, b was finished" if verb == "finish" else "of a, b was undone")
    assert Note(said) in box.said
    assert box.on_cluster("a", "b") == [f"r.io/app:{version}"] * 2
    assert [running for running, _ in box.versions("a", "b")] == [version] * 2
    assert box.recover() == ()


@pytest.mark.parametrize(("verb", "workload"), [("revert", "b"), ("revert", "a"), ("wait", "a")])
def test_a_crash_on_the_way_back_is_gone_on_with(box, verb, workload):
    box.stage("1", "a", "b")
    box.apply("a", "b")
    box.stage("2", "a", "b")
    waits = itertools.count()

    box.cluster.next_healths = {"b": [Health(Phase.FAILED, "exit 3")]}

    def is_the_step(at, name):
        return (at, name) == (verb, workload) and (verb != "wait" or next(waits) == 1)

    with crashing(box.cluster, when=is_the_step):
        box.apply("a", "b")
    assert box.recover()[0].endswith("of a, b was undone")
    assert box.on_cluster("a", "b") == ["r.io/app:1"] * 2


def test_what_was_committed_and_then_removed_by_somebody_is_put_again_when_it_is_finished(box):
    box.stage("1", "a")

    with crash_at(box.cluster, verb="finish"):
        box.apply("a")
    box.cluster.live.clear()

    def refuse(verb, workload):
        if verb == "finish" and not box.cluster.live:
            raise ClusterRefused("a has no container of this revision")

    box.cluster.before = refuse
    (said,) = box.recover()
    assert said == "an interrupted apply of a was finished"
    assert (box.on_cluster("a"), journal.unfinished(box.ledger)) == (["r.io/app:1"], None)


def test_what_is_put_again_when_it_is_finished_keeps_its_number_of_replicas(box):
    box.stage("1", "a")
    refusals = ["a: still being deleted: Pool/p1"]

    def refuse(verb, workload):
        if verb == "finish" and refusals:
            box.cluster.scaled["a"] = {"Deployment/a": 5}
            raise ClusterRefused(refusals.pop())

    box.cluster.before = refuse
    box.apply("a")
    assert [verb for verb, _ in box.cluster.calls].count("put") == 2
    assert box.cluster.scaled["a"] == {"Deployment/a": 5}


def test_an_interrupted_undeploy_is_finished(box):
    box.stage("1", "a")
    box.apply("a")

    with crash_at(box.cluster, verb="remove"):
        box.undeploy("a")
    assert box.recover() == ("an interrupted undeploy of a was finished",)
    assert (box.ledger.names(), box.cluster.live) == ([], {})


def test_what_was_scaled_by_hand_is_journaled_and_goes_back_with_an_undo(box):
    box.stage("1", "a")
    box.apply("a")
    box.stage("2", "a")
    box.cluster.scaled["a"] = {"Deployment/a": 3}
    journaled = []

    def note(verb, workload):
        if verb == "put":
            journaled.append((journal.unfinished(box.ledger).steps[0].scale, dict(box.cluster.scaled["a"])))

    box.cluster.before = note
    box.cluster.next_healths["a"] = [Health(Phase.FAILED, "exit 3")]
    with pytest.raises(ApplyFailed):
        box.apply("a")
    assert journaled == [((("Deployment/a", 3),), {"Deployment/a": 3})]
    assert box.cluster.scaled["a"] == {"Deployment/a": 3}
    assert journal.scale_before(box.ledger, "a", 1) == {"Deployment/a": 3}
    assert journal.scale_before(box.ledger, "a", 2) == {}


def test_an_undeploy_that_hangs_is_closed_names_what_hangs_keeps_no_other_from_being_changed_and_goes_on_later(box):
    box.stage("1", "a", "b")
    box.apply("a", "b")

    def hang(verb, workload):
        if (verb, workload) == ("remove", "a"):
            raise RemovalUnfinished("a: still being deleted: Pool/p1")

    box.cluster.before = hang
    with pytest.raises(RemovalUnfinished, match="Pool/p1"):
        box.undeploy("a", "b")
    assert (sorted(box.ledger.names()), sorted(box.cluster.live), journal.unfinished(box.ledger)) == (["a"], ["a"], None)
    line = history.history(box.ledger, "a")[-1]
    assert (line.action, line.outcome, line.detail) == ("undeploy", "failed", "a: still being deleted: Pool/p1")
    box.stage("2", "c")
    box.apply("c")
    with pytest.raises(RemovalUnfinished):
        box.undeploy("a")
    box.cluster.before = lambda verb, workload: None
    box.undeploy("a")
    assert (box.ledger.names(), sorted(box.cluster.live)) == (["c"], ["c"])


@pytest.mark.parametrize(
    ("before", "hint"), [(False, "kelvin-provision workloads undeploy -n a"), (True, "kelvin-provision workloads show -n a --live")]
)
def test_an_undo_that_hangs_in_deletion_is_closed_names_what_hangs_and_keeps_no_other_from_being_changed(box, before, hint):
    if before:
        box.stage("1", "a")
        box.apply("a")
    box.stage("2", "a", "c")

    def hang(verb, workload):
        if verb in {"revert", "remove"} and workload == "a":
            raise RemovalUnfinished("a: still being deleted: Pool/p1", evidence=["Pool/p1: held by finalizer x/y"])

    box.cluster.before = hang
    box.cluster.broken = {"a": "exit 3"}
    with pytest.raises(UndoFailed, match="a: exit 3; the undo could not be completed: a: still being deleted: Pool/p1") as caught:
        box.apply("a")
    assert "Pool/p1: held by finalizer x/y" in caught.value.evidence
    assert shell_line(caught.value.hint).startswith(hint)
    line = history.history(box.ledger, "a", evidence=True)[-1]
    assert (line.outcome, "Pool/p1: held by finalizer x/y" in line.evidence, journal.unfinished(box.ledger)) == ("undo failed", True, None)
    assert box.recover() == ()
    box.apply("c")
    box.cluster.before = lambda verb, workload: None
    if not before:
        box.undeploy("a")
        assert (box.ledger.names(), sorted(box.cluster.live)) == (["c"], ["c"])


def test_an_undeploy_that_was_cut_off_and_hangs_is_reported_to_the_next_command_once(box):
    box.stage("1", "a", "b")
    box.apply("a")

    def hang(verb, workload):
        if (verb, workload) == ("remove", "a"):
            raise RemovalUnfinished("a: still being deleted: Pool/p1")

    journal.begin(box.ledger, OperationKind.UNDEPLOY, JournalPhase.REMOVING, [Step("a", 1, None)], actor="anna")
    box.cluster.before = hang
    assert box.recover() == (
        "an interrupted undeploy of a could not be finished: a: still being deleted: Pool/p1; run `workloads undeploy` again to continue",
    )
    assert box.recover() == ()


def test_a_workload_that_another_one_needs_is_undeployed_after_it_in_one_go_and_not_alone(box):
    box.stage("1", "crd", "user")
    box.apply("crd", "user")

    def used(verb, workload):
        if (verb, workload) == ("remove", "crd") and "user" in box.cluster.live:
            raise ClusterRefused("crd: used by workload user")

    box.cluster.before = used
    with pytest.raises(ClusterRefused, match="used by workload user"):
        box.undeploy("crd")
    assert (sorted(box.ledger.names()), journal.unfinished(box.ledger)) == (["crd", "user"], None)
    box.undeploy("crd", "user")
    assert (box.ledger.names(), box.cluster.live) == ([], {})


def test_of_several_workloads_those_that_could_be_removed_are_forgotten(box):
    box.stage("1", "a", "b")
    box.apply("a", "b")

    def refuse(verb, workload):
        if (verb, workload) == ("remove", "a"):
            raise ClusterRefused("a: no")

    box.cluster.before = refuse
    with pytest.raises(ClusterRefused, match="a: no"):
        box.undeploy("a", "b")
    assert (box.ledger.names(), sorted(box.cluster.live), journal.unfinished(box.ledger)) == (["a"], ["a"], None)


# --- waves ----------------------------------------------------------------------------------------


def in_two_waves(desired):
    """Each workload has its last object in a second wave."""
    return [
        {name: objects[:-1] for name, objects in desired.items() if objects[:-1]},
        {name: objects[-1:] for name, objects in desired.items()},
    ]


def stage_two_objects(box, version, name="a"):
    objects = [
        {"kind": kind, "apiVersion": "v1", "metadata": {"name": name}, "spec": {"image": f"r.io/{kind}:{version}"}}
        for kind in ("One", "Two")
    ]
    spec = Spec(name, name, "app", version, "c", Method.STAGED, manifests=tuple(objects))
    (revision,) = box.ledger.accept([spec], version)
    box.ledger.set_locks(revision, [])
    box.ledger.set_objects(revision, box.cluster.render(revision.spec, (), revision.number))
    reach(box.ledger, revision, Download.READY)
    box.cluster.split = in_two_waves


def verbs(box):
    return [verb for verb, _ in box.cluster.calls if verb in {"put", "wait", "finish", "revert"}]


def test_a_wave_is_put_when_the_one_before_is_up(box):
    stage_two_objects(box, "1")
    box.apply("a")
    assert verbs(box) == ["put", "wait", "put", "wait", "finish"]
    assert sorted(box.cluster.live["a"]) == ["One/a", "Two/a"]


def test_a_wait_between_the_waves_knows_what_is_put_later(box):
    stage_two_objects(box, "1")
    wait, wholes = box.cluster.wait, []
    box.cluster.wait = lambda desired, policy, progress, stop, *whole: (wholes.extend(whole), wait(desired, policy, progress, stop))[1]
    box.apply("a")
    assert [[item["kind"] for item in whole["a"]] for whole in wholes if whole] == [["One", "Two"]]


def test_what_does_not_come_up_between_the_waves_is_undone_and_the_next_wave_is_not_put(box):
    stage_two_objects(box, "1")
    box.cluster.broken = {"a": "the operator does not start"}
    with pytest.raises(ApplyFailed, match="a: the operator does not start; rolled back"):
        box.apply("a")
    assert verbs(box) == ["put", "wait", "revert"]
    assert box.cluster.live == {}


def test_a_refusal_in_the_last_wave_undoes_all_of_them(box):
    stage_two_objects(box, "1")
    puts = itertools.count()

    def refuse(verb, workload):
        if verb == "put" and next(puts) == 1:
            raise ClusterRefused("a: Two/a: not accepted")

    box.cluster.before = refuse
    with pytest.raises(ApplyFailed, match="not accepted; rolled back"):
        box.apply("a")
    assert box.cluster.live == {}
    assert journal.unfinished(box.ledger) is None


def test_a_signal_between_the_waves_undoes_it(box):
    stage_two_objects(box, "1")
    with pytest.raises(Interrupted):
        box.apply("a", stop=lambda: "wait" in verbs(box))
    assert box.cluster.live == {}


@pytest.mark.parametrize("call", range(5))
def test_a_crash_in_any_wave_is_undone_or_finished_by_the_next_command(box, call):
    stage_two_objects(box, "1")
    calls = itertools.count()

    with crashing(box.cluster, when=lambda verb, workload: verb in {"put", "wait", "finish"} and next(calls) == call):
        box.apply("a")
    (report,) = box.recover()
    assert sorted(box.cluster.live.get("a", ())) == (["One/a", "Two/a"] if "finished" in report else [])
    assert box.versions("a") == [("1", None) if "finished" in report else (None, "1")]


def test_a_workload_that_brought_what_another_uses_goes_back_after_it(box):
    """B's custom resources keep a from being removed, whichever order the steps have."""
    box.stage("1", "a", "b")
    box.cluster.broken = {"a": "no"}

    def in_use(verb, workload):
        if (verb, workload) == ("revert", "b") and "a" in box.cluster.live:
            raise ClusterRefused("b: CustomResourceDefinition/c is used by C/c of workload a; undeploy that first. Nothing was removed")

    box.cluster.before = in_use
    with pytest.raises(ApplyFailed):
        box.apply("a", "b")
    assert [call for call in box.cluster.calls if call[0] == "revert"] == [("revert", "b"), ("revert", "a"), ("revert", "b")]
    assert box.cluster.live == {}
