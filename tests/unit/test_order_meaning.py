"""What an order means is settled when it is accepted: nothing that is accepted after it is hit by it."""

from dataclasses import replace

import pytest

from kelvin_provision.errors import ApplyLeft, NotReady
from kelvin_provision.files.lock import exclusive
from kelvin_provision.ledger import history, orders
from kelvin_provision.ledger.model.operations import OnFailure
from kelvin_provision.ledger.model.orders import Outcome, Target
from kelvin_provision.ledger.reading.left import left_workloads
from kelvin_provision.spec.enums import Method
from kelvin_provision.status import Verb
from kelvin_provision.usecases.order import Change, order
from kelvin_provision.usecases.undeploy import UndeployRequest, undeploy
from tests.kit.box import two_versions


@pytest.fixture
def box(copy_of):
    return copy_of(two_versions)


def ask(box, verb, *names, by="anna", **change):
    return order(replace(box.ctx, actor=by), Change(verb, names, f"{by} {verb} {names}", **change)).order


def ended(box, *asked):
    found = [orders.find(box.ledger, each.id) for each in asked]
    return [(each.outcome, each.note) for each in found]


def versions(box):
    return {
        workload.name: tuple(slot and slot.spec.app_version for slot in (workload.running, workload.staged))
        for workload in box.ledger.workloads()
    }


def stage(box, *names, version):
    """While a command has the lock, so that orders wait."""
    box.deploy(*names, version=version)
    with exclusive(box.settings.state_dir / "lock", command="workloads apply -n other"):
        box.turn()


def test_an_undeploy_of_what_is_staged_leaves_what_was_staged_since(box):
    box.deploy("b")
    removal = ask(box, Verb.UNDEPLOY, "b", staged=True)
    box.deploy("b", version="2.0.0")
    assert ended(box, removal) == [(Outcome.CANCELLED, "b changed since")], "by the commit of the deploy"
    box.turn()
    assert versions(box)["b"] == (None, "2.0.0")


def test_what_was_staged_then_is_removed(box):
    box.deploy("a", "b", version="3.0.0")
    removal = ask(box, Verb.UNDEPLOY, "a", "b", staged=True)
    box.turn()
    assert (ended(box, removal), versions(box)) == ([(Outcome.DONE, "")], {"a": ("2.0.0", None)})
    lines = [(line.workload, line.action, line.outcome, line.revision) for line in history.history(box.ledger)][-4:]
    assert lines == [
        *((name, "undeploy order", "accepted", number) for name, number in (("a", 3), ("b", 1))),
        *((name, "undeploy --staged", "done", number) for name, number in (("a", 3), ("b", 1))),
    ]


def test_of_several_the_others_are_removed(box):
    box.deploy("b", "c")
    removal = ask(box, Verb.UNDEPLOY, "b", "c", staged=True)
    box.deploy("b", version="2.0.0")
    box.turn()
    assert ended(box, removal) == [(Outcome.DONE, "another version of b is staged since, so left out")]
    assert versions(box) == {"a": ("2.0.0", None), "b": (None, "2.0.0")}


def test_numbers_that_start_again_are_no_way_around_it(box):
    box.deploy("b")
    removal, stop = ask(box, Verb.UNDEPLOY, "b", staged=True), ask(box, Verb.STOP, "a")
    box.undeploy("b", staged=True)
    box.undeploy("a")
    box.deploy("b", version="2.0.0")
    box.deploy("a", version="3.0.0", method=Method.INSTANT)
    assert [revision.number for revision in (box.ledger.workload("a").staged, box.ledger.workload("b").staged)] == [1, 1]
    box.turn()
    assert ended(box, removal, stop) == [(Outcome.CANCELLED, "b changed since"), (Outcome.CANCELLED, "a removed since")]
    assert versions(box) == {"a": ("3.0.0", None), "b": (None, "2.0.0")}
    assert box.states()["a"] == ("running", None)


def test_an_undeploy_removes_what_there_was_and_keeps_what_was_staged_since(box):
    box.deploy("a", "b", version="3.0.0")
    removal = ask(box, Verb.UNDEPLOY, "a", "b")
    box.deploy("a", version="4.0.0")
    box.turn()
    assert ended(box, removal) == [(Outcome.DONE, "")]
    assert (versions(box), box.cluster.live) == ({"a": (None, "4.0.0")}, {})


@pytest.mark.parametrize(
    ("verb", "change"), [(Verb.UNDEPLOY, {}), (Verb.STOP, {}), (Verb.START, {}), (Verb.ROLLBACK, {}), (Verb.ROLLBACK, {"to": 1})]
)
def test_what_came_up_since_and_was_accepted_later_is_not_meant(box, verb, change):
    asked = ask(box, verb, "a", **change)
    stage(box, "a", version="3.0.0")
    box.command_apply("a")
    box.turn()
    assert ended(box, asked) == [(Outcome.CANCELLED, "a changed since")]
    assert (versions(box), box.states()) == ({"a": ("3.0.0", None)}, {"a": ("running", None)})


def test_what_came_up_since_and_was_accepted_earlier_is(box):
    stage(box, "a", version="3.0.0")
    asked = [ask(box, verb, "a") for verb in (Verb.APPLY, Verb.STOP)]
    box.turn()
    assert [outcome for outcome, _ in ended(box, *asked)] == [Outcome.DONE] * 2
    assert (versions(box), box.states()) == ({"a": ("3.0.0", None)}, {"a": ("stopped", None)})


@pytest.mark.parametrize(("verb", "command", "done"), [(Verb.START, "stop", "stopped"), (Verb.STOP, "start", "started")])
def test_what_a_command_does_is_not_taken_back_by_an_earlier_order(box, verb, command, done):
    asked, other = ask(box, verb, "a"), ask(box, verb, "a", by="bert")
    result = box.run("workloads", command, "a", *(("--yes",) if command == "stop" else ()))
    assert f"warning: the {verb} of a is cancelled" in result.stderr
    box.turn()
    assert {(outcome, note.partition(" ")[2]) for outcome, note in ended(box, asked, other)} == {(Outcome.CANCELLED, f"{done} a")}
    assert box.states() == {"a": ("stopped" if command == "stop" else "running", None)}


def test_a_version_that_was_staged_during_the_question_stays(box):
    stage(box, "a", version="3.0.0")
    seen = (Target("a", box.ledger.workload("a").staged.number),)
    stage(box, "a", version="4.0.0")
    with pytest.raises(NotReady, match=r"^a: its staged version was replaced in the meantime$"):
        undeploy(box.ctx, UndeployRequest(("a",), staged=True, seen=seen))
    assert versions(box) == {"a": ("2.0.0", "4.0.0")}


def test_a_prune_frees_nothing_of_what_was_staged_since(box):
    pruned = ask(box, Verb.PRUNE)
    stage(box, "b", version="1.0.0")
    box.turn()
    box.command_apply("b")
    assert (ended(box, pruned)[0][0], versions(box)["b"]) == (Outcome.DONE, ("1.0.0", None))


def test_two_who_go_back_from_the_same_version_go_back_once(box):
    stage(box, "a", version="3.0.0")
    box.command_apply("a")
    asked = [ask(box, Verb.ROLLBACK, "a", by=by) for by in ("anna", "bert")]
    box.turn()
    assert ended(box, *asked) == [(Outcome.DONE, ""), (Outcome.CANCELLED, "a changed since")]
    assert versions(box) == {"a": ("2.0.0", None)}


def test_so_it_is_after_a_failed_apply_that_was_kept(box):
    stage(box, "a", version="3.0.0")
    box.cluster.broken = {"a": "exit code 3"}
    with pytest.raises(ApplyLeft):
        box.command_apply("a", on_failure=OnFailure.KEEP)
    box.cluster.broken = {}
    asked = [ask(box, Verb.ROLLBACK, "a", by=by) for by in ("anna", "bert")]
    box.turn()
    assert ended(box, *asked) == [(Outcome.DONE, ""), (Outcome.CANCELLED, "a changed since")]
    assert (versions(box)["a"][0], left_workloads(box.ledger)) == ("2.0.0", frozenset())


def test_a_rollback_that_follows_an_apply_goes_back_from_that(box):
    stage(box, "a", version="3.0.0")
    asked = ask(box, Verb.APPLY, "a"), ask(box, Verb.ROLLBACK, "a")
    box.turn()
    assert ended(box, *asked) == [(Outcome.DONE, "")] * 2
    assert versions(box) == {"a": ("2.0.0", None)}


def test_and_not_at_all_if_that_apply_was_cancelled(box):
    stage(box, "a", version="3.0.0")
    applied, back = ask(box, Verb.APPLY, "a"), ask(box, Verb.ROLLBACK, "a")
    orders.cancel(box.ledger, applied.id, actor="bert")
    box.turn()
    assert ended(box, back) == [(Outcome.CANCELLED, "a changed since")]
    assert versions(box) == {"a": ("2.0.0", "3.0.0")}
