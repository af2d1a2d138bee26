"""Waiting for a state: who is there, who will never be, and what is said meanwhile."""

from dataclasses import replace

import pytest

from kelvin_provision.cli.frame.hints import line as shell_line
from kelvin_provision.errors import Interrupted, NothingStaged, ProvisionError, WaitFailed, WaitTimeout, WorkloadUnknown
from kelvin_provision.events import Advanced, Finished, Note, Started
from kelvin_provision.ledger import journal
from kelvin_provision.ledger.model.operations import Phase, Step
from kelvin_provision.observation import Observation, Observed
from kelvin_provision.queries.reachability import Judgement, Verdict, judge
from kelvin_provision.queries.wait import WaitRequest, wait
from kelvin_provision.spec.enums import Download, Method, State
from kelvin_provision.status import OperationKind
from tests.kit.box import Box
from tests.kit.images import random_image
from tests.kit.locks import lock_of
from tests.kit.staging import reach


@pytest.fixture
def box(tmp_path):
    found = Box(tmp_path)
    yield found
    found.close()


def run(box, name):
    """As an apply leaves it."""
    number = box.ledger.workload(name).staged.number
    operation = journal.begin(box.ledger, OperationKind.APPLY, Phase.APPLYING, [Step(name, None, number)])
    journal.commit(box.ledger, operation)
    journal.end(box.ledger, operation, [])


def staged(box, state, error=None, *, blocked=False, method=Method.STAGED):
    (revision,) = box.deploy("a", method=method)
    reach(box.ledger, revision, state, error, blocked=blocked)


def answer(box, wanted, seen_staged=()):
    return judge(box.ledger.workload("a"), wanted, seen_staged)


@pytest.mark.parametrize(
    ("wanted", "download", "verdict"),
    [
        (State.READY, Download.PENDING, Verdict.NOT_YET),
        (State.READY, Download.DOWNLOADING, Verdict.NOT_YET),
        (State.READY, Download.READY, Verdict.REACHED),
        (State.DOWNLOADING, Download.PROCESSING, Verdict.NOT_YET),
        (State.DOWNLOADING, Download.DOWNLOADING, Verdict.REACHED),
        (State.DOWNLOADING, Download.READY, Verdict.REACHED),
        (State.STAGED, Download.PENDING, Verdict.REACHED),
        (State.RUNNING, Download.READY, Verdict.NOT_YET),
        (State.FAILED, Download.DOWNLOADING, Verdict.NOT_YET),
    ],
)
def test_a_staged_version_on_its_way(box, wanted, download, verdict):
    staged(box, download)
    assert answer(box, wanted) == Judgement(verdict)


def test_a_version_that_failed_never_gets_ready(box):
    staged(box, Download.FAILED, "no such image", blocked=True)
    assert answer(box, State.READY) == Judgement(Verdict.NEVER, "version 1.0.0 failed: no such image")
    assert answer(box, State.DOWNLOADING).verdict is Verdict.NEVER
    assert answer(box, State.FAILED) == Judgement(Verdict.REACHED)
    assert answer(box, State.RUNNING) == Judgement(Verdict.NOT_YET)  # a person may deploy it again


def test_a_failed_version_that_was_to_run_by_itself_never_runs(box):
    staged(box, Download.READY, "it crashed", blocked=True, method=Method.INSTANT)
    assert answer(box, State.RUNNING) == Judgement(Verdict.NEVER, "it crashed")
    assert answer(box, State.DEPLOYING) == Judgement(Verdict.NEVER, "it crashed")


def test_an_older_version_that_runs_is_not_what_was_waited_for(box):
    box.deploy("a")
    run(box, "a")
    assert answer(box, State.RUNNING) == Judgement(Verdict.REACHED)
    staged(box, Download.READY, None, blocked=True, method=Method.INSTANT)
    assert answer(box, State.RUNNING) == Judgement(Verdict.NEVER, "version 1.0.0 failed")


def test_where_nothing_is_staged_nothing_gets_ready(box):
    box.deploy("a", method=Method.STANDARD)
    assert answer(box, State.READY) == Judgement(Verdict.NOTHING_STAGED)
    run(box, "a")
    assert answer(box, State.READY) == Judgement(Verdict.NOTHING_STAGED)
    assert answer(box, State.STAGED) == Judgement(Verdict.NEVER, "a version of it is on the cluster already")


def test_a_version_that_was_applied_meanwhile_has_been_ready(box):
    box.deploy("a")
    run(box, "a")
    assert answer(box, State.READY, seen_staged={1}) == Judgement(Verdict.REACHED)
    assert answer(box, State.READY, seen_staged={2}) == Judgement(Verdict.NEVER, "its staged version was removed")


def test_a_stopped_workload_is_waited_for_by_what_was_seen(box):
    box.deploy("a")
    run(box, "a")
    box.ledger.observe({"a": Observation(Observed.STOPPING, (), "2026-01-01T00:00:00Z", 1)})
    assert answer(box, State.STOPPED) == Judgement(Verdict.NOT_YET)
    box.ledger.observe({"a": Observation(Observed.STOPPED, (), "2026-01-01T00:00:00Z", 1)})
    assert answer(box, State.STOPPED) == Judgement(Verdict.REACHED)


def waiting(box, *names, wanted=State.READY, timeout=None, happens=(), stop=lambda: False):
    """Between two looks it is asked once whether to stop: then the next thing happens."""
    steps = iter(happens)

    def asked():
        for step in steps:
            step()
            break
        return stop()

    try:
        found = wait(replace(box.ctx, stop=asked), WaitRequest(names, wanted, timeout))
    except ProvisionError as error:
        return error, box.said
    return found, box.said


def test_it_ends_when_all_are_there_and_says_what_happens(box):
    (a,), (b,) = box.deploy("a"), box.deploy("b")
    lock = lock_of(random_image([3000]), "r.io/a:1")

    def begin():
        box.ledger.set_locks(a, [lock])
        reach(box.ledger, a, Download.DOWNLOADING)

    ends = [begin, lambda: None, lambda: reach(box.ledger, b, Download.READY), lambda: reach(box.ledger, a, Download.READY)]
    found, said = waiting(box, "a", "b", happens=ends)
    assert found == {"a": "ready", "b": "ready"}
    assert said[:3] == [Started("a", "waiting until ready:"), Started("b", "waiting until ready:"), Note("a: downloading 0%")]
    assert [event for event in said if isinstance(event, Finished)] == [Finished("b", "ready"), Finished("a", "ready")]
    assert {type(event) for event in said} == {Started, Note, Advanced, Finished}


def test_time_that_is_over_says_where_each_is(box):
    (a,), _ = box.deploy("a"), box.deploy("b")
    reach(box.ledger, a, Download.READY)
    error, _ = waiting(box, "a", "b", timeout=0.02)
    assert isinstance(error, WaitTimeout)
    assert (str(error), error.evidence) == ("not ready after 0.02 seconds: b: received", ("a: ready", "b: received"))
    assert (error.code, error.exit_code) == ("wait-timeout", 75)


def test_a_failure_ends_it_at_once(box):
    (a,), _ = box.deploy("a"), box.deploy("b")
    error, _ = waiting(box, "a", "b", happens=[lambda: reach(box.ledger, a, Download.FAILED, "no such image", blocked=True)])
    assert isinstance(error, WaitFailed)
    assert (str(error), shell_line(error.hint)) == ("a: version 1.0.0 failed: no such image", "kelvin-provision workloads show -n a")
    assert (error.code, error.exit_code) == ("wait-failed", 1)


def test_a_workload_that_is_not_there_or_goes_ends_it(box):
    error, _ = waiting(box, "a")
    assert (type(error), str(error)) == (WorkloadUnknown, "no workload a on this box")
    box.deploy("a")
    error, _ = waiting(box, "a", happens=[lambda: box.ledger.drop_staged("a")])
    assert (type(error), str(error)) == (WorkloadUnknown, "removed from this box before it was ready: a")


def test_where_nothing_is_staged_it_does_not_begin(box):
    box.deploy("a", method=Method.STANDARD)
    error, _ = waiting(box, "a")
    assert (type(error), str(error)) == (NothingStaged, "nothing is staged for a")


def test_a_signal_ends_it(box):
    box.deploy("a")
    error, _ = waiting(box, "a", stop=lambda: True)
    assert (type(error), str(error)) == (Interrupted, "stopped by a signal; work under way continues")
