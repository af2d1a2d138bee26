"""Orders of every verb, placed as another front end would place them and carried out by the agent's turn."""

from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace

import pytest

from kelvin_provision.errors import ApplyLeft, ClusterUnreachable, UsageRefused
from kelvin_provision.events import Note
from kelvin_provision.files.lock import exclusive
from kelvin_provision.ledger import history, journal, orders
from kelvin_provision.ledger.model.operations import OnFailure
from kelvin_provision.ledger.model.orders import Outcome, Target
from kelvin_provision.ledger.orders import OrderRequest
from kelvin_provision.spec.enums import Method
from kelvin_provision.status import Verb
from kelvin_provision.usecases import prune
from kelvin_provision.usecases.operation import OrderTicket
from tests.kit.box import Box, two_versions
from tests.kit.crash import Crash, crash_at, crashing

ACTOR = "admin@192.0.2.7 via api"


@pytest.fixture
def box(copy_of):
    return copy_of(two_versions)


def place(box, verb, *names, **request):
    targets = tuple(Target(name, None) for name in names)
    return orders.place(box.ledger, OrderRequest(ACTOR, verb, targets, **request)).order


def ended(box, order):
    now = orders.find(box.ledger, order.id)
    return now.outcome, now.note


def versions(box):
    return {workload.name: workload.shown.spec.app_version for workload in box.ledger.workloads()}


def test_stop_and_start_are_carried_out_in_the_name_of_who_asked(box):
    stop = place(box, Verb.STOP, "a")
    box.turn()
    assert (ended(box, stop), box.states()) == ((Outcome.DONE, ""), {"a": ("stopped", None)})
    start = place(box, Verb.START, "a")
    box.turn()
    assert (ended(box, start), box.states()) == ((Outcome.DONE, ""), {"a": ("running", None)})
    lines = [(line.action, line.who, line.outcome) for line in history.history(box.ledger, "a") if line.action in {"stop", "start"}]
    assert lines == [("stop", ACTOR, "done"), ("start", ACTOR, "done")]


def test_an_order_with_nothing_to_do_is_done(box):
    order = place(box, Verb.START, "a")
    box.turn()
    assert ended(box, order) == (Outcome.DONE, "")


def test_rollback_goes_where_its_arguments_say(box):
    order = place(box, Verb.ROLLBACK, "a", arguments={"to": 1})
    box.turn()
    assert (ended(box, order), versions(box)) == ((Outcome.DONE, ""), {"a": "1.0.0"})


def test_apply_takes_the_revision_that_was_staged_when_it_was_asked_for(box):
    box.deploy("a", version="3.0.0")
    box.turn()
    order = orders.place(box.ledger, orders.apply_of(box.ledger.workloads(["a"]), actor=ACTOR)).order
    box.turn()
    assert (ended(box, order), versions(box)) == ((Outcome.DONE, ""), {"a": "3.0.0"})


def test_an_apply_is_cancelled_when_another_revision_is_staged(box):
    box.deploy("a", version="3.0.0")
    box.turn()
    order = orders.place(box.ledger, orders.apply_of(box.ledger.workloads(["a"]), actor=ACTOR)).order
    box.deploy("a", version="4.0.0")
    box.turn()
    assert (ended(box, order)[0], versions(box)) == (Outcome.CANCELLED, {"a": "2.0.0"})


def test_undeploy_removes_the_workload_and_prune_frees_what_is_left(box):
    undeploy, prune = place(box, Verb.UNDEPLOY, "a"), place(box, Verb.PRUNE)
    box.turn()
    told = (Outcome.DONE, "freed 0 B in the store, 0 images in the runtime")
    assert (ended(box, undeploy), ended(box, prune), box.ledger.names()) == ((Outcome.DONE, ""), told, [])


def test_undeploy_of_what_is_staged_leaves_what_runs(box):
    box.deploy("a", version="3.0.0")
    order = place(box, Verb.UNDEPLOY, "a", arguments={"staged": True})
    box.turn()
    assert (ended(box, order), box.states(), versions(box)) == ((Outcome.DONE, ""), {"a": ("running", None)}, {"a": "2.0.0"})


def test_an_order_that_fails_says_why_and_keeps_the_evidence(box):
    box.cluster.broken = {"a": "exit code 3"}
    order = place(box, Verb.ROLLBACK, "a")
    box.turn()
    assert ended(box, order)[0] is Outcome.FAILED
    failure = history.last_failure(box.ledger, "a")
    assert (failure.action, failure.who, failure.outcome) == ("rollback", ACTOR, "undo failed")
    assert any("exit code 3" in line for line in failure.evidence)


def test_an_order_that_cannot_be_meant_ends_failed_at_once(box):
    order = place(box, Verb.ROLLBACK, "a", arguments={"to": 9})
    box.turn()
    assert ended(box, order) == (Outcome.FAILED, "a has no revision 9 that came up and is kept on this box")


def test_the_same_key_is_carried_out_once(box):
    request = OrderRequest(ACTOR, Verb.STOP, (Target("a", None),), key="from-the-page-1")
    first = orders.place(box.ledger, request).order
    box.turn()
    again = orders.place(box.ledger, request)
    assert (again.created, again.order.id, again.order.outcome) == (False, first.id, Outcome.DONE)
    calls = list(box.cluster.calls)
    box.turn()
    assert ("stop", "a") not in box.cluster.calls[len(calls) :]


def test_an_order_waits_for_a_command_that_holds_the_lock(box):
    order = place(box, Verb.STOP, "a")
    with exclusive(box.settings.state_dir / "lock", command="workloads apply -n b"):
        box.turn()
        assert orders.find(box.ledger, order.id).pending
    assert any(isinstance(event, Note) and "stop of a waits" in event.text for event in box.said)
    box.turn()
    assert ended(box, order) == (Outcome.DONE, "")


@pytest.mark.slow
@pytest.mark.parametrize("verb", [Verb.STOP, Verb.ROLLBACK, Verb.UNDEPLOY])
def test_an_order_that_a_crash_interrupted_is_finished_or_undone_once(box, verb):
    order = place(box, verb, "a")

    with crashing(box.cluster, when=lambda at, name: at in {"stop", "wait", "remove"}):
        box.turn()
    with box.operation():
        pass
    now = orders.find(box.ledger, order.id)
    assert (now.outcome, now.pending) == (Outcome.FAILED if verb is Verb.ROLLBACK else Outcome.DONE, False)
    assert journal.unfinished(box.ledger) is None


def test_what_recovery_did_is_told_by_every_command(box):
    for verb in ("rollback", "start", "stop", "undeploy", "command_apply"):
        again = Box(box.settings.state_dir / verb, like=box)
        again.deploy("b")
        again.turn()
        again.command_apply("b")
        again.deploy("b", version="2.0.0")
        again.turn()

        with crash_at(again.cluster, verb="wait"):
            again.command_apply("b")
        words = {"rollback": ("rollback", "-n", "b", "--to", "1"), "command_apply": ("apply", "-n", "b")}.get(verb, (verb, "-n", "b"))
        result = again.run("workloads", *words, *(("--yes",) if verb in {"stop", "undeploy"} else ()))
        assert "warning: an interrupted apply of b was undone" in result.stderr, verb
        again.settings = replace(again.settings)
        again.close()


def test_an_order_about_a_workload_that_is_gone_fails_and_keeps_nothing_else_waiting(box):
    order = place(box, Verb.STOP, "a")
    box.undeploy("a")
    box.deploy("b", method=Method.INSTANT)
    box.turn()
    assert ended(box, order) == (Outcome.FAILED, "no workload a on this box")
    assert box.states() == {"b": ("running", None)}


def test_a_bug_in_one_order_rests_alone_and_is_noted_with_it(box):
    class Bug(RuntimeError):
        pass

    def break_down(verb, name):
        if verb == "observe":
            raise Bug("unexpected")

    box.cluster.before = break_down
    bad, good = place(box, Verb.STOP, "a"), place(box, Verb.PRUNE)
    box.turn()
    assert (ended(box, bad)[0], ended(box, good)[0]) == (None, Outcome.DONE)
    assert orders.find(box.ledger, bad.id).note == "our bug: Bug: unexpected"


def test_a_prune_that_was_cancelled_while_it_waited_for_the_lock_frees_nothing(box):
    box.deploy("gone")
    box.turn()
    box.ledger.drop_staged("gone")
    assert not prune.plan(box.ctx, orphans=False).empty
    result = prune.prune(box.agent(), orphans=False, ticket=OrderTicket("agent: prune", still_valid=lambda: False))
    assert result.plan.empty


@pytest.mark.parametrize(("verb", "breaks"), [(Verb.UNDEPLOY, "remove"), (Verb.ROLLBACK, "finish")])
def test_an_order_whose_operation_could_not_be_finished_ends_with_it(box, verb, breaks):
    order = place(box, verb, "a")

    def lose_the_connection(at, name):
        if at == breaks:
            raise ClusterUnreachable("no route to host")

    box.cluster.before = lose_the_connection
    box.turn()
    begun = orders.find(box.ledger, order.id)
    assert (begun.pending, begun.ended, begun.outcome) == (False, None, None)
    box.cluster.before = lambda at, name: None
    with box.operation():
        pass
    assert ended(box, order) == (Outcome.DONE, "")


@pytest.mark.slow
@pytest.mark.parametrize("commit", range(1, 12))
def test_an_undeploy_of_what_is_staged_is_done_once_whichever_commit_a_crash_follows(box, commit, monkeypatch):
    box.deploy("b")
    box.turn()
    box.cluster.broken = {"b": "exit code 3"}
    with pytest.raises(ApplyLeft):
        box.command_apply("b", on_failure=OnFailure.KEEP)
    box.deploy("a", version="3.0.0")
    box.turn()
    order = place(box, Verb.UNDEPLOY, "a", "b", arguments={"staged": True})
    crash_after_commit(box.ledger, commit, monkeypatch)
    with suppress(Crash):
        box.turn()
    monkeypatch.undo()
    with box.operation():
        pass
    box.turn()
    assert ended(box, order) == (Outcome.DONE, "")
    assert (box.states(), "b" in box.cluster.live) == ({"a": ("running", None)}, False)
    lines = [(line.workload, line.action) for line in history.history(box.ledger) if line.who == ACTOR and line.outcome == "done"]
    assert lines.count(("a", "undeploy --staged")) == 1


def crash_after_commit(ledger, number, monkeypatch):
    """The process ends right after that commit of this ledger."""
    count = 0
    writing = type(ledger).writing

    @contextmanager
    def counting(self):
        nonlocal count
        outermost = not self._changing
        with writing(self) as db:
            yield db
        count += outermost
        if outermost and count == number:
            raise Crash

    monkeypatch.setattr(type(ledger), "writing", counting)


def test_recovery_before_an_order_is_written_in_the_agents_name(box):
    box.deploy("b")
    box.turn()

    with crash_at(box.cluster, verb="wait"):
        box.command_apply("b")
    place(box, Verb.STOP, "a")
    box.turn()
    undone = [(line.workload, line.action, line.who) for line in history.history(box.ledger) if line.outcome == "undone"]
    assert undone == [("b", "apply", "agent")]


def test_an_agent_that_works_until_it_is_idle_stays_for_an_order_that_has_to_wait(box):
    order = place(box, Verb.STOP, "a")

    looks = []

    def looked():
        looks.append(1)
        if len(looks) == 20:
            held.close()
        return len(looks) > 2000

    held = ExitStack()
    held.enter_context(exclusive(box.settings.state_dir / "lock", command="workloads apply -n b"))
    box.work(stop=looked, until_idle=True)
    held.close()
    assert ended(box, order) == (Outcome.DONE, "")


def test_an_order_about_nothing_is_refused(box):
    with pytest.raises(UsageRefused, match="an order to apply names at least one workload"):
        orders.place(box.ledger, orders.apply_of([], actor=ACTOR))
