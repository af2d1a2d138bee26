"""Orders on a real ledger: placed once, carried out once, ended by whatever makes them mean something else, and kept for every front end."""

import pytest

from kelvin_provision import timestamps
from kelvin_provision.errors import NotReady
from kelvin_provision.ledger import history, journal, orders, requests
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model.operations import Entry, Phase, Step
from kelvin_provision.ledger.model.orders import Outcome, Target
from kelvin_provision.ledger.orders import OrderRequest
from kelvin_provision.ledger.reading.left import left_workloads
from kelvin_provision.ledger.rows import orders as order_rows
from kelvin_provision.spec.enums import State
from kelvin_provision.status import OperationKind, Verb, derive
from tests.kit.ledgers import migrated
from tests.kit.specs import spec

AT = "2026-11-24T02:00:00Z"


@pytest.fixture
def ledger(tmp_path):
    """`pump`, `fan` and `valve` are staged."""
    ticks = iter(range(10_000))
    with Ledger(migrated(tmp_path / "ledger.db"), clock=lambda: f"2026-11-23T00:00:00.{next(ticks):06d}Z") as opened:
        requests.accept(opened, [spec("pump"), spec("fan"), spec("valve")], "batch", actor="anna")
        yield opened


def apply_at(ledger, *names, at=AT, key="", actor="anna"):
    return orders.place(ledger, orders.apply_of(ledger.workloads(names), actor=actor, at=at, key=key))


def begin_apply(ledger, *names, actor="agent"):
    return journal.begin(ledger, OperationKind.APPLY, Phase.APPLYING, [Step(name, None, 1) for name in names], actor=actor)


def finish(ledger, operation, outcome="done", detail="", evidence=()):
    entries = [
        Entry(ledger.clock(), "agent", operation.kind, step.workload, step.after, outcome, detail, evidence=evidence)
        for step in operation.steps
    ]
    journal.end(ledger, operation, entries)


def lines(ledger, action="apply --at"):
    return [(entry.workload, entry.who, entry.outcome, entry.detail) for entry in history.history(ledger) if entry.action == action]


# --- placing --------------------------------------------------------------------------------------


def test_an_order_says_who_asked_for_what_and_when(ledger):
    order = apply_at(ledger, "pump", "fan", key="k-1").order
    assert (order.id, order.key, order.actor, order.verb) == (1, "k-1", "anna", Verb.APPLY)
    assert order.targets == (Target("pump", 1), Target("fan", 1))
    assert (order.at, order.begun, order.ended, order.outcome, order.pending) == (AT, None, None, None, True)
    assert orders.find(ledger, 1) == order
    assert str(order) == "apply at 2026-11-24T02:00:00Z, requested by anna"
    assert order.subject == "apply of pump, fan at 2026-11-24T02:00:00Z"
    assert lines(ledger) == [("pump", "anna", "accepted", AT), ("fan", "anna", "accepted", AT)]


def test_the_same_key_again_returns_the_first_order_and_changes_nothing(ledger):
    first = apply_at(ledger, "pump", key="k-1")
    before = ledger.version()
    again = orders.place(ledger, OrderRequest("bert", Verb.STOP, (Target("fan"),), key="k-1"))
    assert (first.created, again.created, again.order) == (True, False, first.order)
    assert ledger.version() == before


def test_the_same_key_returns_an_order_that_has_ended(ledger):
    order = apply_at(ledger, "pump", key="k-1").order
    orders.cancel(ledger, order.id, actor="anna")
    assert apply_at(ledger, "pump", key="k-1").order.outcome is Outcome.CANCELLED
    assert orders.pending(ledger) == ()


def test_orders_without_a_key_are_all_different(ledger):
    request = OrderRequest("admin@192.0.2.7 via api", Verb.STOP, (Target("pump"),))
    assert orders.place(ledger, request).order.subject == "stop of pump"
    assert [orders.place(ledger, request).order.id for _ in range(2)] == [2, 3]


def test_an_apply_of_a_revision_that_is_not_staged_any_more_is_refused(ledger):
    request = orders.apply_of(ledger.workloads(["pump", "fan"]), actor="anna", at=AT)
    requests.accept(ledger, [spec("fan", "2.0.0")], "two", actor="bert")
    with pytest.raises(NotReady, match=r"^fan: its staged version was replaced in the meantime$"):
        orders.place(ledger, request)
    assert orders.recent(ledger) == ()


def test_a_new_apply_replaces_an_earlier_one_of_the_same_workload_whole(ledger):
    first = apply_at(ledger, "pump", "fan").order
    placed = apply_at(ledger, "pump", at="2026-11-24T03:00:00Z", actor="bert")
    assert [(order.id, order.names, order.outcome) for order in placed.cancelled] == [(first.id, ("pump", "fan"), Outcome.CANCELLED)]
    assert [order.id for order in orders.pending(ledger)] == [placed.order.id]
    assert lines(ledger)[2:4] == [("pump", "bert", "cancelled", AT), ("fan", "bert", "cancelled", AT)]


def test_arguments_come_back_as_they_were_given(ledger):
    arguments = {"force": True, "to": 3, "names": ["a"], "reason": "line 3 produces"}
    order = orders.place(ledger, OrderRequest("root", Verb.ROLLBACK, (Target("pump"),), arguments)).order
    assert (order.arguments, order.forced) == (arguments, True)


# --- pending and due ------------------------------------------------------------------------------


def test_what_is_due_is_without_a_time_or_past_it_the_next_one_first(ledger):
    late, early = apply_at(ledger, "pump").order, apply_at(ledger, "fan", at="2026-11-24T01:00:00Z").order
    now = orders.place(ledger, OrderRequest("root", Verb.STOP, (Target("valve"),))).order

    def due(text):
        return [order.id for order in orders.due(ledger, timestamps.parse(text))]

    assert [order.id for order in orders.pending(ledger)] == [now.id, early.id, late.id]
    assert due("2026-11-24T00:59:59.999999Z") == [now.id]
    assert due("2026-11-24T01:00:00.000001Z") == [now.id, early.id]
    assert due("2026-11-24T02:00:00.000000Z") == [now.id, early.id, late.id]


def test_a_workload_shows_the_orders_that_name_it_and_its_state_is_what_runs(ledger):
    apply_at(ledger, "pump", "fan")
    found = ledger.workload("fan")
    assert found.scheduled_apply.names == ("pump", "fan")
    assert derive(found.situation).state is State.STAGED
    assert derive(found.situation).warnings == ("apply at 2026-11-24T02:00:00Z, requested by anna",)
    assert ledger.workload("valve").orders == ()


def test_what_keeps_the_agent_from_it_is_noted_once(ledger):
    order = apply_at(ledger, "pump").order
    orders.note(ledger, order, "held")
    (noted,) = orders.pending(ledger)
    before = ledger.version()
    orders.note(ledger, noted, "held")
    assert (str(noted), ledger.version()) == ("apply at 2026-11-24T02:00:00Z, requested by anna; waits: held", before)


# --- what ends an order to apply ------------------------------------------------------------------


def test_a_new_deploy_ends_it_in_the_same_commit_and_says_so(ledger):
    order = apply_at(ledger, "pump", "fan").order
    accepted = requests.accept(ledger, [spec("pump", "2.0.0")], "two", actor="bert")
    assert [revision.number for revision in accepted.revisions] == [2]
    assert [(cancelled.id, cancelled.note) for cancelled in accepted.cancelled] == [(order.id, "pump changed since")]
    assert orders.recent(ledger)[0].outcome is Outcome.CANCELLED
    assert lines(ledger)[-2:] == [
        ("pump", "bert", "cancelled", f"{AT}: pump changed since"),
        ("fan", "bert", "cancelled", f"{AT}: pump changed since"),
    ]


def test_a_deploy_of_another_workload_ends_nothing(ledger):
    apply_at(ledger, "pump")
    assert requests.accept(ledger, [spec("other")], "two", actor="bert").cancelled == ()


def test_taking_back_what_is_staged_ends_it_in_the_same_commit(ledger):
    apply_at(ledger, "pump", "fan")
    (cancelled,) = requests.drop_staged(ledger, "fan", actor="bert")
    assert (cancelled.names, orders.pending(ledger)) == (("pump", "fan"), ())
    assert lines(ledger, "undeploy --staged") == [("fan", "bert", "done", "")]


def test_an_undeploy_ends_it_in_the_same_commit(ledger):
    apply_at(ledger, "pump", "fan")
    operation = journal.begin(ledger, OperationKind.UNDEPLOY, Phase.REMOVING, [Step("pump", None, 1)])
    assert len(orders.pending(ledger)) == 1
    journal.end_undeploy(ledger, operation, [Entry("2026-11-23T00:00:00Z", "bert", "undeploy", "pump", 1, "done")])
    assert orders.pending(ledger) == ()
    assert lines(ledger)[-1] == ("fan", "bert", "cancelled", f"{AT}: pump changed since")


def test_an_apply_by_hand_of_a_part_ends_it(ledger):
    order = apply_at(ledger, "pump", "fan").order
    begin_apply(ledger, "pump", actor="bert")
    ended = orders.find(ledger, order.id)
    assert (ended.outcome, ended.note, ended.begun) == (Outcome.CANCELLED, "bert applied pump", None)
    assert lines(ledger)[-2:] == [("pump", "bert", "begun", AT), ("fan", "bert", "cancelled", AT)]


def test_an_apply_of_all_its_revisions_carries_it_out_whoever_applies(ledger):
    order = apply_at(ledger, "pump", "fan").order
    operation = begin_apply(ledger, "fan", "pump", "valve", actor="bert")
    under_way = orders.find(ledger, order.id)
    assert (under_way.operation, under_way.begun, under_way.ended) == (operation.id, operation.started, None)
    assert ledger.workload("pump").orders == ()
    journal.commit(ledger, operation)
    finish(ledger, operation)
    ended = orders.find(ledger, order.id)
    assert (ended.outcome, ended.note, ended.ended is not None) == (Outcome.DONE, "", True)
    assert lines(ledger)[-2:] == [("pump", "bert", "begun", AT), ("fan", "bert", "begun", AT)]


def test_one_that_is_replaced_without_its_knowledge_does_not_stand_and_is_cancelled_later(ledger):
    apply_at(ledger, "pump", "fan")
    ledger.accept([spec("pump", "2.0.0")], "two")
    assert (orders.pending(ledger), ledger.workload("fan").orders) == ((), ())
    (cancelled,) = orders.cancel_replaced(ledger, actor="agent")
    assert cancelled.note == "pump changed since"
    before = ledger.version()
    assert (orders.cancel_replaced(ledger, actor="agent"), ledger.version()) == ((), before)


# --- carrying out ---------------------------------------------------------------------------------


def test_a_failed_operation_ends_its_order_with_the_cause_and_the_evidence(ledger):
    order = apply_at(ledger, "pump", "fan").order
    operation = begin_apply(ledger, "pump", "fan")
    finish(ledger, operation, "undone", "exit code 3", ["pump: panic: no such table"])
    ended = orders.find(ledger, order.id)
    assert (ended.outcome, ended.note, ended.evidence) == (Outcome.FAILED, "exit code 3", ("pump: panic: no such table",))


def test_an_order_survives_a_crash_with_its_operation_and_ends_with_its_recovery(ledger):
    order = apply_at(ledger, "pump").order
    operation = begin_apply(ledger, "pump")
    with Ledger(ledger.path) as again:
        assert orders.pending(again) == ()
        finish(again, journal.unfinished(again), "undone", "interrupted apply")
        assert orders.find(again, order.id).outcome is Outcome.FAILED
    assert operation.id == orders.find(ledger, order.id).operation


def test_an_operation_of_another_verb_is_given_its_order(ledger):
    order = orders.place(ledger, OrderRequest("admin@192.0.2.7 via api", Verb.STOP, (Target("pump"),))).order
    operation = journal.begin(ledger, OperationKind.STOP, Phase.FINISHING, [Step("pump", None, None)], actor=order.actor, order=order)
    assert orders.find(ledger, order.id).operation == operation.id
    journal.end_switch(
        ledger, operation, [Entry("2026-11-23T00:00:00Z", order.actor, "stop", "pump", None, "done")], enabled=False, names=["pump"]
    )
    assert orders.find(ledger, order.id).outcome is Outcome.DONE
    assert lines(ledger, "stop order") == [
        ("pump", "admin@192.0.2.7 via api", "accepted", ""),
        ("pump", "admin@192.0.2.7 via api", "begun", ""),
    ]


def test_an_order_that_was_cancelled_in_the_meantime_begins_nothing(ledger):
    order = orders.place(ledger, OrderRequest("root", Verb.STOP, (Target("pump"),))).order
    orders.cancel(ledger, order.id, actor="anna")
    with pytest.raises(NotReady, match=r"^order 1 is not pending any more$"):
        journal.begin(ledger, OperationKind.STOP, Phase.FINISHING, [Step("pump", None, None)], order=order)
    assert journal.unfinished(ledger) is None


def test_an_order_with_no_operation_of_its_own_ends_once(ledger):
    order = orders.place(ledger, OrderRequest("root", Verb.PRUNE, ())).order
    orders.end(ledger, order, Outcome.DONE, actor="agent")
    orders.end(ledger, order, Outcome.FAILED, "late", actor="agent")
    ended = orders.find(ledger, order.id)
    assert (ended.outcome, ended.note, ended.begun) == (Outcome.DONE, "", None)


def test_one_that_was_not_begun_in_time_is_missed(ledger):
    order = apply_at(ledger, "pump").order
    orders.expire(ledger, order, "held", actor="agent")
    assert orders.find(ledger, order.id).outcome is Outcome.MISSED
    assert lines(ledger)[-1] == ("pump", "agent", "missed", f"{AT}: held")


def test_cancelling_leaves_what_has_begun_or_ended_as_it_is(ledger):
    order = apply_at(ledger, "pump").order
    begin_apply(ledger, "pump")
    assert orders.cancel(ledger, order.id, actor="anna").ended is None
    assert orders.cancel(ledger, 77, actor="anna") is None
    assert orders.cancel_naming(ledger, ["pump"], actor="anna") == ()


# --- keeping --------------------------------------------------------------------------------------


def test_ended_orders_are_kept_newest_first_and_bounded(ledger, monkeypatch):
    monkeypatch.setattr(order_rows, "KEPT", 3)
    standing = apply_at(ledger, "fan").order
    for _ in range(5):
        order = orders.place(ledger, OrderRequest("root", Verb.STOP, (Target("pump"),))).order
        orders.end(ledger, order, Outcome.DONE, actor="agent")
    assert [found.id for found in orders.recent(ledger)] == [6, 5, 4, standing.id]
    assert [found.id for found in orders.recent(ledger, 2)] == [6, 5]
    assert [found.id for found in orders.recent(ledger, workload="fan")] == [standing.id]


def test_the_history_stays_whole(ledger):
    apply_at(ledger, "pump", "fan")
    begin_apply(ledger, "pump")
    assert history.broken_link(ledger) is None


# --- reading --------------------------------------------------------------------------------------


def test_what_only_reads_writes_nothing(ledger):
    order = apply_at(ledger, "pump", "fan").order
    ledger.accept([spec("pump", "2.0.0")], "two")
    before = ledger.version()
    orders.pending(ledger)
    orders.due(ledger, timestamps.parse(AT))
    orders.recent(ledger, workload="pump")
    orders.find(ledger, order.id)
    ledger.workloads()
    ledger.existing(["pump"])
    history.history(ledger, evidence=True)
    history.last_failure(ledger, "pump")
    journal.unfinished(ledger)
    left_workloads(ledger)
    assert ledger.version() == before
