"""The way back, and start and stop, on fakes: what a technician sees, and a crash at every step."""

import itertools

import pytest

from kelvin_provision.cli.frame.hints import line as shell_line
from kelvin_provision.cluster.health import Health, Phase
from kelvin_provision.cluster.plan import Finding
from kelvin_provision.errors import (
    ApplyFailed,
    ApplyLeft,
    ClusterRefused,
    ClusterUnreachable,
    Interrupted,
    NothingApplied,
    NothingToRollBack,
    PlanRefused,
    RegistryUnreachable,
    RevisionUnknown,
    StartFailed,
    UsageRefused,
    WorkloadUnknown,
)
from kelvin_provision.events import Note
from kelvin_provision.ledger import history, journal, orders
from kelvin_provision.ledger.model.operations import OnFailure
from kelvin_provision.spec.enums import Method
from kelvin_provision.usecases import rollback
from tests.kit.box import Box, reconcile
from tests.kit.crash import crash_at


def never():
    return False


class CommandBox(Box):
    """The commands a person would give, as the command line carries them out."""

    def recover(self):
        with self.operation("workloads list"):
            pass

    def runs(self, *names):
        return [(self.cluster.image_of(name) or "@").partition("@")[0].rpartition(":")[2] for name in names]

    def versions(self, *names):
        found = self.ledger.workloads(names)
        return [(one.running and one.running.spec.app_version, one.staged and one.staged.spec.app_version) for one in found]

    def state(self, name):
        return self.states()[name][0]

    def notes(self):
        return [event.text for event in self.said if isinstance(event, Note)]

    def last(self, name):
        found = history.history(self.ledger, name)[-1]
        return found.action, found.revision, found.version, found.outcome, found.detail


@pytest.fixture
def box(tmp_path, monkeypatch):
    found = CommandBox(tmp_path)
    yield found
    found.close()


# --- rollback -------------------------------------------------------------------------------------


def test_what_ran_before_runs_again_from_its_own_objects(box):
    box.up("1.0.0", "a")
    first = box.ledger.workload("a").running.objects
    box.up("2.0.0", "a")
    box.rollback("a")
    assert tuple({key: item for key, item in live.items() if key != "filled"} for live in box.cluster.live["a"].values()) == first
    assert (box.runs("a"), box.versions("a"), box.state("a")) == (["1.0.0"], [("1.0.0", None)], "running")
    assert box.last("a") == ("rollback", 1, "1.0.0", "done", "")
    assert history.history(box.ledger)[-1].digest == box.ledger.revision("a", 1).locks[0].manifest.digest


def test_going_back_needs_no_registry_and_puts_lost_images_back_from_the_store(box):
    box.up("1.0.0", "a")
    (lock,) = box.ledger.workload("a").running.locks
    box.up("2.0.0", "a")
    box.source.down = RegistryUnreachable("no route to host")
    box.runtime.garbage_collect(lock)
    box.rollback("a")
    assert box.runs("a") == ["1.0.0"]
    assert box.runtime.has(lock)


def test_an_image_that_is_lost_everywhere_is_found_before_anything_is_touched(box):
    box.up("1.0.0", "a")
    (lock,) = box.ledger.workload("a").running.locks
    box.up("2.0.0", "a")
    box.runtime.garbage_collect(lock)
    box.store.path(lock.layers[0]).unlink()
    calls = len(box.cluster.calls)
    with pytest.raises(PlanRefused, match="1 finding, nothing was changed"):
        box.rollback("a")
    assert [verb for verb, _ in box.cluster.calls[calls:]] == ["plan", "survey"]
    assert box.versions("a") == [("2.0.0", None)]


def test_one_can_go_forward_again_and_further_back(box):
    for version in ("1.0.0", "2.0.0", "3.0.0"):
        box.up(version, "a")
    box.rollback("a")
    box.rollback("a")
    assert box.runs("a") == ["1.0.0"]
    box.rollback("a", to=3)
    assert box.runs("a") == ["3.0.0"]
    assert [revision.number for revision in box.ledger.kept("a")] == [1, 2]


def test_the_way_back_leads_to_what_ran_last_not_to_what_was_left_behind(box):
    for version in ("1.0.0", "2.0.0"):
        box.up(version, "a")
    box.rollback("a")
    box.up("3.0.0", "a")
    box.rollback("a")
    assert box.runs("a") == ["1.0.0"]


def test_what_is_staged_stays_staged(box):
    box.up("1.0.0", "a")
    box.up("2.0.0", "a")
    box.deploy("a", version="3.0.0")
    box.turn()
    box.rollback("a")
    assert box.versions("a") == [("1.0.0", "3.0.0")]
    assert box.states() == {"a": ("running", "ready")}
    box.command_apply("a")
    assert box.versions("a") == [("3.0.0", None)]


def test_several_go_back_together_or_not_at_all(box):
    box.up("1.0.0", "a", "b")
    box.up("2.0.0", "a", "b")
    down = Health(Phase.FAILED, "exit code 3")
    box.cluster.next_healths = {"b": [down, down]}
    with pytest.raises(ApplyFailed, match="b: exit code 3; rolled back to what ran before"):
        box.rollback("a", "b")
    assert (box.runs("a", "b"), box.versions("a", "b")) == (["2.0.0", "2.0.0"], [("2.0.0", None)] * 2)
    assert box.last("a") == ("rollback", 1, "1.0.0", "undone", "b: exit code 3")
    box.rollback("a", "b")
    assert box.runs("a", "b") == ["1.0.0", "1.0.0"]


def test_a_rollback_cut_off_while_it_finished_and_asked_for_again_is_done_and_goes_no_further(box):
    for version in ("1.0.0", "2.0.0", "3.0.0"):
        box.up(version, "a")
    with crash_at(box.cluster, verb="finish", workload="a"):
        box.rollback("a")
    result = box.rollback("a")
    assert result.warnings == ("an interrupted rollback of a was finished",)
    assert ([workload.name for workload in result.plan.unchanged], result.plan.targets) == (["a"], ())
    assert (box.runs("a"), box.versions("a")) == (["2.0.0"], [("2.0.0", None)])


def cut_off_while_it_finishes(box, *names, to=None):
    with crash_at(box.cluster, verb="finish", workload="a"):
        box.rollback(*names, to=to)


def test_a_rollback_to_the_first_version_that_was_cut_off_while_it_finished_is_done_when_asked_for_again(box):
    box.up("1.0.0", "a")
    box.up("2.0.0", "a")
    cut_off_while_it_finishes(box, "a")
    assert box.rollback("a").warnings == ("an interrupted rollback of a was finished",)
    assert (box.runs("a"), box.versions("a"), box.interrupted) == (["1.0.0"], [("1.0.0", None)], False)
    with pytest.raises(NothingToRollBack):
        box.rollback("a")


def test_a_rollback_to_another_revision_than_the_one_that_was_cut_off_goes_there(box):
    for version in ("1.0.0", "2.0.0", "3.0.0"):
        box.up(version, "a")
    cut_off_while_it_finishes(box, "a", to=2)
    assert [target.revision.number for target in box.rollback("a", to=1).plan.targets] == [1]
    assert box.runs("a") == ["1.0.0"]
    cut_off_while_it_finishes(box, "a", to=2)
    assert [workload.name for workload in box.rollback("a", to=2).plan.unchanged] == ["a"]
    assert box.runs("a") == ["2.0.0"]


def test_trouble_with_freeing_images_is_a_warning_and_the_change_is_done(box, monkeypatch):
    box.up("1.0.0", "a")
    box.up("2.0.0", "a")

    def broken(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(box.store, "collect_garbage", broken)
    result = box.undeploy("a")
    assert (result.removed, box.ledger.names()) == (("a",), [])
    assert "images that no version needs have not been removed yet: input/output error" in result.warnings


def test_a_version_that_was_not_staged_can_be_gone_back_to_and_the_image_is_said_to_be_uncertain(box):
    for version in ("1.0.0", "2.0.0"):
        box.deploy("a", version=version, method=Method.STANDARD)
        box.turn()
    choice = box.rollback("a")
    assert choice.plan.notes == ("a: revision 1 was not staged; the cluster has its image or must pull it",)
    assert box.runs("a") == ["1.0.0"]


def test_what_cannot_be_gone_back_to_is_said_with_what_there_is(box):
    with pytest.raises(WorkloadUnknown):
        box.rollback("a")
    box.deploy("a", version="1.0.0")
    with pytest.raises(NothingToRollBack, match="no version of a has ever come up") as caught:
        box.rollback("a")
    assert shell_line(caught.value.hint) == "kelvin-provision workloads apply -n a"
    box.turn()
    box.command_apply("a")
    with pytest.raises(NothingToRollBack, match=r"no version of a earlier than 1\.0\.0 is kept on this box") as caught:
        box.rollback("a")
    assert caught.value.evidence == ()
    box.up("2.0.0", "a")
    box.rollback("a")
    with pytest.raises(NothingToRollBack) as caught:
        box.rollback("a")
    assert caught.value.evidence == ("later and kept: revision 2, version 2.0.0; --to goes there",)
    box.deploy("a", version="3.0.0")
    with pytest.raises(RevisionUnknown, match="a has no revision 3 that came up and is kept on this box") as caught:
        box.rollback("a", to=3)
    assert caught.value.evidence == ("revision 1: version 1.0.0", "revision 2: version 2.0.0")
    with pytest.raises(UsageRefused, match="--to needs exactly one workload"):
        rollback.plan(box.ledger, ["a", "b"], 1)


def test_going_to_what_runs_already_does_nothing(box):
    box.up("1.0.0", "a")
    calls = list(box.cluster.calls)
    choice = box.rollback("a", to=1)
    assert ([found.name for found in choice.plan.unchanged], choice.plan.targets, box.cluster.calls) == (["a"], (), calls)


@pytest.mark.slow
@pytest.mark.parametrize(("verb", "workload"), [("put", "a"), ("put", "b"), ("wait", "a"), ("finish", "a"), ("finish", "b")])
def test_a_crash_at_any_step_of_a_rollback_is_undone_or_finished(box, verb, workload):
    box.up("1.0.0", "a", "b")
    box.up("2.0.0", "a", "b")
    with crash_at(box.cluster, verb=verb, workload=workload):
        box.rollback("a", "b")
    assert box.states() == {"a": ("deploying", None), "b": ("deploying", None)}
    box.recover()
    version = "1.0.0" if verb == "finish" else "2.0.0"
    assert box.notes()[-1] == f"an interrupted rollback of a, b was {'finished' if verb == 'finish' else 'undone'}"
    assert (box.runs("a", "b"), box.versions("a", "b")) == ([version] * 2, [(version, None)] * 2)


# --- apply --no-rollback --------------------------------------------------------------------------


def left(box):
    """Version 2 of a failed and was left as it is."""
    box.up("1.0.0", "a")
    box.deploy("a", version="2.0.0")
    box.turn()
    box.cluster.broken = {"a": "exit code 3"}
    with pytest.raises(ApplyLeft, match="a: exit code 3; kept as it is") as caught:
        box.command_apply("a", on_failure=OnFailure.KEEP)
    return caught.value


def test_what_failed_is_left_as_it_is_when_that_was_asked_for(box):
    error = left(box)
    assert (error.exit_code, shell_line(error.hint), error.evidence) == (
        1,
        "kelvin-provision workloads rollback -n a",
        ("a: a: exit code 3",),
    )
    assert (box.runs("a"), box.versions("a")) == (["2.0.0"], [("1.0.0", "2.0.0")])
    assert ("revert", "a") not in box.cluster.calls
    assert journal.unfinished(box.ledger) is None
    assert box.last("a") == ("apply", 2, "2.0.0", "failed, left as it is", "a: exit code 3")
    assert box.state("a") == "failed"
    assert "version 2.0.0 was not applied: a: exit code 3; kept as it is" in box.warnings("a")


def test_rollback_takes_what_was_left_back_to_what_ran_before(box):
    left(box)
    box.cluster.broken = {}
    box.rollback("a")
    assert (box.runs("a"), box.versions("a"), box.state("a")) == (["1.0.0"], [("1.0.0", "2.0.0")], "running")
    assert box.warnings("a") == ["version 2.0.0 did not come up and was rolled back"]
    assert [found.name for found in box.rollback("a", to=1).plan.unchanged] == ["a"]


def test_what_was_left_can_be_applied_again(box):
    left(box)
    box.cluster.broken = {}
    box.command_apply("a")
    assert (box.runs("a"), box.versions("a")) == (["2.0.0"], [("2.0.0", None)])


def test_a_new_workload_that_was_left_goes_with_its_staged_version(box):
    box.deploy("a")
    box.turn()
    box.cluster.broken = {"a": "exit code 3"}
    with pytest.raises(ApplyLeft) as caught:
        box.command_apply("a", on_failure=OnFailure.KEEP)
    assert shell_line(caught.value.hint) == "kelvin-provision workloads undeploy -n a"
    with pytest.raises(NothingToRollBack) as refused:
        box.rollback("a")
    assert shell_line(refused.value.hint) == "kelvin-provision workloads undeploy -n a"
    box.undeploy("a", staged=True)
    assert (box.ledger.names(), box.cluster.live) == ([], {})


def test_a_signal_leaves_it_as_well(box):
    box.up("1.0.0", "a")
    box.deploy("a", version="2.0.0")
    box.turn()
    asked = itertools.count()
    with pytest.raises(Interrupted, match="stopped by a signal; kept as it is"):
        box.command_apply("a", stop=lambda: next(asked) >= 1, on_failure=OnFailure.KEEP)
    assert box.runs("a") == ["2.0.0"]


@pytest.mark.parametrize(("verb", "workload"), [("put", "b"), ("wait", "a")])
def test_recovery_undoes_nothing_that_was_to_be_left(box, verb, workload):
    box.up("1.0.0", "a", "b")
    box.deploy("a", "b", version="2.0.0")
    box.turn()
    with crash_at(box.cluster, verb=verb, workload=workload):
        box.command_apply("a", "b", on_failure=OnFailure.KEEP)
    box.recover()
    assert box.notes()[-1] == "an interrupted apply of a, b was left as it is, as requested"
    assert box.runs("a", "b") == ["2.0.0", "1.0.0" if verb == "put" else "2.0.0"]
    assert ("revert", "a") not in box.cluster.calls
    box.rollback("a", "b")
    assert (box.runs("a", "b"), box.versions("a", "b")) == (["1.0.0", "1.0.0"], [("1.0.0", "2.0.0")] * 2)


# --- apply --no-wait ------------------------------------------------------------------------------


def test_what_nobody_waits_for_runs_at_once_and_its_history_says_so(box):
    box.up("1.0.0", "a")
    box.deploy("a", version="2.0.0")
    box.turn()
    waits = box.cluster.calls.count(("wait", "a"))
    box.command_apply("a", wait=False)
    assert box.cluster.calls.count(("wait", "a")) == waits
    assert box.versions("a") == [("2.0.0", None)]
    assert box.last("a") == ("apply", 2, "2.0.0", "done, not waited for", "")


def test_a_version_that_never_comes_up_unseen_is_failed_in_the_list_and_can_be_gone_back_from(box):
    box.up("1.0.0", "a")
    box.deploy("a", version="2.0.0")
    box.turn()
    box.command_apply("a", wait=False)
    assert box.state("a") == "running"
    box.cluster.broken = {"a": "exit code 3"}
    reconcile(box)
    assert (box.state("a"), box.warnings("a")) == ("failed", ["exit code 3"])
    box.cluster.broken = {}
    box.rollback("a")
    assert box.runs("a") == ["1.0.0"]


def test_what_cannot_even_be_put_goes_back_unseen_or_not(box):
    box.up("1.0.0", "a", "b")
    box.deploy("a", "b", version="2.0.0")
    box.turn()

    def refuse(verb, workload):
        if (verb, workload) == ("put", "b"):
            raise ClusterRefused("b: quota exceeded")

    box.cluster.before = refuse
    with pytest.raises(ApplyFailed, match="b: quota exceeded; rolled back to what ran before"):
        box.command_apply("a", "b", wait=False)
    assert (box.runs("a", "b"), box.versions("a", "b")) == (["1.0.0"] * 2, [("1.0.0", "2.0.0")] * 2)


@pytest.mark.slow
@pytest.mark.parametrize(("verb", "version"), [("put", "1.0.0"), ("finish", "2.0.0")])
def test_a_crash_while_nobody_waits_is_undone_or_finished(box, verb, version):
    box.up("1.0.0", "a")
    box.deploy("a", version="2.0.0")
    box.turn()
    with crash_at(box.cluster, verb=verb, workload="a"):
        box.command_apply("a", wait=False)
    box.recover()
    assert (box.runs("a"), box.versions("a")[0][0]) == ([version], version)
    assert box.last("a")[3] == ("undone" if verb == "put" else "done, not waited for")


# --- stop and start -------------------------------------------------------------------------------


def test_a_stopped_workload_is_kept_and_comes_back(box):
    box.up("1.0.0", "a", "b")
    assert box.stop("a") == {"a"}
    assert (box.state("a"), box.state("b")) == ("stopped", "running")
    assert (box.ledger.workload("a").enabled, box.ledger.workload("b").enabled) == (False, True)
    assert box.last("a") == ("stop", 1, "1.0.0", "done", "")
    assert box.start("a") == {"a"}
    assert (box.state("a"), box.ledger.workload("a").enabled, box.cluster.serving["a"]) == ("running", True, box.cluster.image_of("a"))
    assert box.last("a") == ("start", 1, "1.0.0", "done", "")


def test_what_is_stopped_or_runs_already_is_left_alone(box):
    box.up("1.0.0", "a")
    assert box.start("a") == frozenset()
    box.stop("a")
    assert box.stop("a") == frozenset()
    assert [entry.action for entry in history.history(box.ledger)] == ["deploy", "apply", "stop"]


def test_what_is_stopped_stays_stopped_whatever_the_agent_does(box):
    box.up("1.0.0", "a")
    box.stop("a")
    box.deploy("a", version="2.0.0")
    for _ in range(2):
        box.turn()
        reconcile(box)
    assert box.states() == {"a": ("stopped", "ready")}
    assert box.cluster.stopped == {"a"}


def test_applying_a_stopped_workload_starts_it(box):
    box.up("1.0.0", "a")
    box.stop("a")
    box.up("2.0.0", "a")
    assert (box.state("a"), box.ledger.workload("a").enabled, box.runs("a")) == ("running", True, ["2.0.0"])


def test_a_stopped_workload_whose_new_version_fails_is_stopped_again(box):
    box.up("1.0.0", "a", "b")
    box.stop("a")
    box.deploy("a", "b", version="2.0.0")
    box.turn()
    down = Health(Phase.FAILED, "exit code 3")
    box.cluster.next_healths = {"b": [down, down]}
    with pytest.raises(ApplyFailed, match="rolled back to what ran before"):
        box.command_apply("a", "b")
    assert (box.state("a"), box.state("b"), box.runs("a", "b")) == ("stopped", "running", ["1.0.0", "1.0.0"])
    assert not box.ledger.workload("a").enabled


def test_what_somebody_else_stopped_is_started(box):
    box.up("1.0.0", "a")
    box.cluster.stop("a")
    assert box.start("a") == {"a"}
    assert box.state("a") == "running"


def test_what_somebody_else_started_can_be_stopped(box):
    box.up("1.0.0", "a")
    box.stop("a")
    box.cluster.stopped.clear()
    assert box.stop("a") == {"a"}
    assert box.state("a") == "stopped"


def test_what_does_not_come_up_is_left_started_with_the_reason(box):
    box.up("1.0.0", "a", "b")
    box.stop("a", "b")
    box.cluster.broken = {"b": "exit code 3"}
    with pytest.raises(StartFailed, match="b: exit code 3; left started") as caught:
        box.start("a", "b")
    assert (caught.value.evidence, caught.value.exit_code) == (("b: b: exit code 3",), 1)
    assert [found.enabled for found in box.ledger.workloads()] == [True, True]
    assert (box.state("a"), box.state("b")) == ("running", "failed")
    assert box.last("b") == ("start", 1, "1.0.0", "failed", "b: exit code 3; left started")


def test_starting_finds_first_what_stands_in_its_way(box):
    box.up("1.0.0", "a")
    box.stop("a")
    box.cluster.findings = [Finding("port-taken", "a", "container/a", "host port 80/TCP is taken by another program on this box")]
    with pytest.raises(PlanRefused):
        box.start("a")
    assert box.state("a") == "stopped"


def test_starting_puts_lost_images_back(box):
    box.up("1.0.0", "a")
    box.stop("a")
    (lock,) = box.ledger.workload("a").running.locks
    box.runtime.garbage_collect(lock)
    box.source.down = RegistryUnreachable("no route to host")
    box.start("a")
    assert box.runtime.has(lock)


def test_a_signal_ends_the_waiting_not_the_start(box):
    box.up("1.0.0", "a")
    box.stop("a")
    asked = itertools.count()
    with pytest.raises(Interrupted, match="stopped by a signal; a: started, and not waited for any longer"):
        box.start("a", stop=lambda: next(asked) >= 1)
    assert box.ledger.workload("a").enabled
    box.stop("a")
    with pytest.raises(Interrupted, match="before anything was started"):
        box.start("a", stop=lambda: True)
    assert box.state("a") == "stopped"


def test_what_was_never_applied_cannot_be_started_and_need_not_be_stopped(box):
    box.deploy("a")
    with pytest.raises(NothingApplied, match="nothing of a was ever applied"):
        box.start("a")
    assert box.stop("a") == frozenset()
    with pytest.raises(WorkloadUnknown):
        box.stop("nobody")
    with pytest.raises(WorkloadUnknown):
        box.start("nobody")


def test_a_cluster_that_goes_silent_in_the_middle_leaves_nothing_in_the_journal(box):
    box.up("1.0.0", "a", "b")

    def silent(verb, workload):
        if (verb, workload) == ("stop", "b"):
            raise ClusterUnreachable("no answer")

    box.cluster.before = silent
    with pytest.raises(ClusterUnreachable):
        box.stop("a", "b")
    assert journal.unfinished(box.ledger) is None
    assert [found.enabled for found in box.ledger.workloads()] == [False, True]
    assert (box.last("a")[3], box.last("b")[3]) == ("done", "failed")
    assert (box.state("a"), box.state("b")) == ("stopped", "running")


@pytest.mark.slow
@pytest.mark.parametrize("workload", ["a", "b"])
def test_a_crash_in_the_middle_of_a_stop_is_finished(box, workload):
    box.up("1.0.0", "a", "b")
    with crash_at(box.cluster, verb="stop", workload=workload):
        box.stop("a", "b")
    assert box.states() == {"a": ("stopping", None), "b": ("stopping", None)}
    box.recover()
    assert box.notes()[-1] == "an interrupted stop of a, b was finished"
    assert box.cluster.stopped == {"a", "b"}
    assert [found.enabled for found in box.ledger.workloads()] == [False, False]


@pytest.mark.slow
@pytest.mark.parametrize(("verb", "workload"), [("put", "a"), ("put", "b"), ("wait", "a"), ("finish", "a"), ("finish", "b")])
def test_a_crash_in_the_middle_of_a_start_is_finished(box, verb, workload):
    box.up("1.0.0", "a", "b")
    box.stop("a", "b")
    with crash_at(box.cluster, verb=verb, workload=workload):
        box.start("a", "b")
    assert box.states() == {"a": ("starting", None), "b": ("starting", None)}
    box.recover()
    assert box.notes()[-1] == "an interrupted start of a, b was finished"
    assert (box.cluster.stopped, sorted(box.cluster.serving)) == (set(), ["a", "b"])
    assert [found.enabled for found in box.ledger.workloads()] == [True, True]


def test_recovery_waits_for_a_silent_cluster_and_says_when_a_start_fails(box):
    box.up("1.0.0", "a")
    box.stop("a")
    with crash_at(box.cluster, verb="wait", workload="a"):
        box.start("a")
    box.cluster.unreachable = True
    with pytest.raises(ClusterUnreachable):
        box.recover()
    assert journal.unfinished(box.ledger) is not None
    box.cluster.unreachable = False
    box.cluster.broken = {"a": "exit code 3"}
    box.recover()
    assert box.notes()[-1] == "an interrupted start of a was resumed: a: exit code 3; left started"
    assert journal.unfinished(box.ledger) is None


@pytest.mark.parametrize("staged", [True, False])
def test_undeploy_names_the_orders_that_it_cancels(box, staged):
    box.deploy("a", "b", version="3.0.0")
    box.turn()
    targets = box.ledger.workloads(["a", "b"])
    orders.place(box.ledger, orders.apply_of(targets, actor="anna", at="2099-01-01T02:00:00Z"))
    assert box.undeploy("a", staged=staged).warnings == ("the apply of a, b at 2099-01-01T02:00:00Z is cancelled",)
    assert orders.pending(box.ledger) == ()


def test_the_timeouts_of_a_command_hold_for_its_recovery_too(box):
    box.deploy("a")
    box.turn()
    box.command_apply("a")
    box.deploy("a", version="3.0.0")
    box.turn()
    policies = []

    with crash_at(box.cluster, verb="wait"):
        box.command_apply("a")
    wait = box.cluster.wait
    box.cluster.wait = lambda desired, policy, *more: (policies.append(policy.timeout), wait(desired, policy, *more))[1]
    box.command_apply("a", timeout=7.0, rollback_timeout=1234.0)
    assert policies == [1234.0, 7.0]
