"""The same request again is one change, until anything else happens to one of its workloads."""

import pytest

from kelvin_provision.ledger import journal, orders, repeats, requests
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model.operations import Entry, Phase, Step
from kelvin_provision.ledger.model.orders import Outcome, Target
from kelvin_provision.ledger.orders import OrderRequest
from kelvin_provision.spec.enums import Method
from kelvin_provision.status import OperationKind, Verb
from tests.kit.ledgers import migrated
from tests.kit.specs import spec

DIGEST = "d" * 64


class Clock:
    seconds = 0
    ticks = 0

    def __call__(self):
        self.ticks += 1
        return f"2026-11-23T00:{self.seconds // 60:02d}:{self.seconds % 60:02d}.{self.ticks:06d}Z"


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ledger(tmp_path, clock):
    with Ledger(migrated(tmp_path / "ledger.db"), clock=clock) as opened:
        requests.accept(opened, [spec("pump"), spec("fan")], "batch", actor="anna")
        yield opened


def stop(ledger, name="pump", digest=DIGEST):
    return orders.place(ledger, OrderRequest("anna", Verb.STOP, (Target(name),), key=repeats.key_of(digest))).order


def carried_out(ledger, order):
    operation = journal.begin(
        ledger, OperationKind.STOP, Phase.FINISHING, [Step(name, None, None) for name in order.names], actor="agent", order=order
    )
    entries = [Entry(ledger.clock(), "agent", "stop", name, None, "done") for name in order.names]
    journal.end_switch(ledger, operation, entries, enabled=False, names=order.names)


def test_it_is_the_order_of_the_first_request(ledger):
    order = stop(ledger)
    assert repeats.repeated(ledger, DIGEST) == order
    assert repeats.repeated(ledger, "e" * 64) is None
    assert repeats.repeated(ledger, DIGEST[:-1]) is None


def test_after_a_minute_it_is_a_new_request_also_if_the_clock_went_back(ledger, clock):
    clock.seconds = 120
    order = stop(ledger)
    clock.seconds = 179
    assert repeats.repeated(ledger, DIGEST) == order
    clock.seconds = 181
    assert repeats.repeated(ledger, DIGEST) is None
    clock.seconds = 30
    assert repeats.repeated(ledger, DIGEST) is None


def test_an_order_that_was_carried_out_is_still_the_answer(ledger):
    orders.end(ledger, stop(ledger), Outcome.DONE, actor="agent")
    assert repeats.repeated(ledger, DIGEST).outcome is Outcome.DONE


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.CANCELLED, Outcome.MISSED])
def test_what_ended_badly_may_be_asked_for_again(ledger, outcome):
    orders.end(ledger, stop(ledger), outcome, actor="agent")
    assert repeats.repeated(ledger, DIGEST) is None


def test_another_change_of_the_same_workload_ends_it_and_of_another_does_not(ledger):
    order = stop(ledger)
    stop(ledger, "fan", digest="e" * 64)
    assert repeats.repeated(ledger, DIGEST) == order
    orders.place(ledger, OrderRequest("anna", Verb.START, (Target("fan"), Target("pump"))))
    assert repeats.repeated(ledger, DIGEST) is None


def test_a_deploy_ends_it(ledger):
    order = stop(ledger)
    requests.accept(ledger, [spec("fan")], "other", actor="anna")
    assert repeats.repeated(ledger, DIGEST) == order
    requests.accept(ledger, [spec("pump")], "other", actor="anna")
    assert repeats.repeated(ledger, DIGEST) is None


def test_its_own_operation_does_not_end_it_and_that_of_a_command_does(ledger):
    order = stop(ledger)
    carried_out(ledger, order)
    assert repeats.repeated(ledger, DIGEST).id == order.id
    journal.begin(ledger, OperationKind.STOP, Phase.FINISHING, [Step("pump", None, None)], actor="bert")
    assert repeats.repeated(ledger, DIGEST) is None


def test_what_was_accepted_earlier_and_is_carried_out_later_does_not_end_it(ledger):
    first = stop(ledger)
    start = orders.place(ledger, OrderRequest("anna", Verb.START, (Target("pump"),), key=repeats.key_of("e" * 64))).order
    carried_out(ledger, first)
    assert repeats.repeated(ledger, "e" * 64).id == start.id


# --- deploys --------------------------------------------------------------------------------------


def deploy(ledger, *names, batch="b-1"):
    before = repeats.point(ledger)
    requests.accept(ledger, [spec(name) for name in names], batch, actor="anna")
    return lambda: repeats.is_last_change(ledger, batch, names, before)


def test_a_deploy_counts_until_anything_else_was_accepted(ledger, clock):
    clock.seconds = 120
    repeated = deploy(ledger, "pump", "fan")
    clock.seconds = 90
    stop(ledger, "valve")
    assert repeated()
    stop(ledger, "fan")
    assert not repeated(), "although the clock went back"


def test_so_does_what_a_command_did(ledger):
    repeated = deploy(ledger, "pump")
    journal.begin(ledger, OperationKind.UNDEPLOY, Phase.REMOVING, [Step("pump", None, 2)], actor="bert")
    assert not repeated()


def test_a_revision_of_the_same_number_is_another_one(ledger):
    requests.drop_staged(ledger, "pump", actor="anna")
    repeated = deploy(ledger, "pump")
    requests.drop_staged(ledger, "pump", actor="bert")
    assert not repeated()
    deploy(ledger, "pump", batch="b-2")
    assert (ledger.workload("pump").staged.number, repeated()) == (1, False)


def test_what_was_ordered_before_the_deploy_does_not_end_it(ledger):
    order = stop(ledger, "pump")
    repeated = deploy(ledger, "pump")
    carried_out(ledger, order)
    assert repeated()


@pytest.mark.parametrize(("method", "counts"), [(Method.INSTANT, True), (Method.STANDARD, True), (Method.STAGED, False)])
def test_its_own_apply_does_not_end_it_and_one_that_was_asked_for_does(ledger, method, counts):
    before = repeats.point(ledger)
    requests.accept(ledger, [spec("pump", method=method)], "b-1", actor="anna")
    operation = journal.begin(ledger, OperationKind.APPLY, Phase.APPLYING, [Step("pump", None, 2)], actor="agent")
    journal.commit(ledger, operation)
    assert repeats.is_last_change(ledger, "b-1", ["pump"], before) is counts


def test_a_workload_that_is_gone_was_removed_by_the_first_request(ledger):
    order = orders.place(ledger, OrderRequest("anna", Verb.UNDEPLOY, (Target("pump"),), key=repeats.key_of(DIGEST))).order
    requests.drop_staged(ledger, "pump", actor="anna")
    orders.end(ledger, order, Outcome.DONE, actor="agent")
    assert repeats.repeated(ledger, DIGEST).id == order.id
