"""Applies with a time, of everything that is staged, or outside of the window: as orders."""

import pytest

from kelvin_provision import timestamps
from kelvin_provision.access.levels import Level
from kelvin_provision.ledger import holds, orders
from kelvin_provision.ledger.model.orders import Outcome
from tests.kit.openapi import valid

WORKLOADS = "/edge/v1/workloads"
AT = "2099-11-23T02:00:00+01:00"


def post(api, verb, body, level=Level.OPERATE):
    return api.post(f"{WORKLOADS}/{verb}", body, level)


def test_an_apply_at_a_time_is_seen_moved_and_cancelled(box, api):
    answer = post(api, "schedule", {"workload_names": ["pump", "valve"], "at": AT})
    valid(answer, f"{WORKLOADS}/schedule", "post")
    order = answer.json["order"]
    assert (answer.status, order["at"], order["names"], order["actor"]) == (
        202, "2099-11-23T01:00:00Z", ["pump", "valve"], "operate@127.0.0.1 via api",
    )  # fmt: skip
    assert post(api, "schedule", {"workload_names": ["pump", "valve"], "at": AT}).json["order"]["id"] == order["id"], (
        "the same request again"
    )
    assert api.get("/edge/v1/agent").json["appointed"][0]["names"] == ["pump", "valve"]
    moved = post(api, "schedule", {"workload_names": ["pump"], "at": "2099-11-24T02:00:00Z"}).json
    assert "valve was scheduled together with one of these; its apply is cancelled, too" in moved["warnings"]
    assert post(api, "schedule", {"workload_names": ["pump", "valve"], "at": AT}).json["order"]["id"] > moved["order"]["id"], (
        "no repetition"
    )
    answer = post(api, "cancel", {"workload_names": ["pump", "fan"]})
    valid(answer, f"{WORKLOADS}/cancel", "post")
    assert (answer.status, answer.json) == (200, {"cancelled": ["pump", "valve"], "unchanged": ["fan"]})
    assert post(api, "cancel", {"all": True}).json == {"cancelled": [], "unchanged": []}
    box.turn()
    assert {order.outcome for order in orders.recent(box.ledger)} == {Outcome.CANCELLED}


def test_the_agent_applies_it_when_its_time_has_come(box, api):
    assert post(api, "schedule", {"all": True, "at": timestamps.rfc3339_now()}).status == 202
    box.turn()
    assert box.states()["pump"] == ("running", None)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "at is not a time"),
        ({"at": "02:00", "all": True}, "at is not a time"),
        ({"at": 7, "all": True}, "at is not a time"),
        ({"at": "2099-13-23T02:00:00Z", "all": True}, "at is not a time"),
        ({"at": AT}, "names either workloads or all"),
        ({"at": AT, "all": False}, "names either workloads or all"),
        ({"at": AT, "all": True, "workload_names": ["pump"]}, "names either workloads or all"),
        ({"at": AT, "workload_names": []}, "names either workloads or all"),
        ({"at": AT, "workload_names": ["pump", 7]}, "names either workloads or all"),
        ({"at": AT, "workload_names": [f"w-{number}" for number in range(101)]}, "101 names; the limit is 100"),
        ({"at": AT, "all": True, "force": 1}, "force is not true or false"),
        ({"at": AT, "all": True, "forced": True}, "did you mean force?"),
    ],
)
def test_an_appointment_that_cannot_be_meant_is_400(box, api, body, said):
    answer = post(api, "schedule", body)
    assert (answer.status, said in answer.error["description"]) == (400, True), answer.error
    assert orders.recent(box.ledger) == ()


def test_what_the_terminal_refuses_is_refused(box, api):
    assert post(api, "schedule", {"workload_names": ["absent"], "at": AT}).status == 404
    assert post(api, "schedule", {"workload_names": ["fan"], "at": AT}).error["name"] == "nothing-staged"
    assert post(api, "schedule", {"workload_names": ["pump"], "at": AT}, Level.READ).status == 403
    assert post(api, "cancel", {"workload_names": ["absent"]}).status == 404
    assert post(api, "cancel", {}).status == 400
    assert orders.recent(box.ledger) == ()


def test_everything_that_is_staged_is_one_order(box, api):
    answer = post(api, "apply", {"all": True})
    valid(answer, f"{WORKLOADS}/apply", "post")
    assert (answer.status, answer.json["order"]["names"]) == (202, ["pump", "valve"])
    box.turn()
    assert (box.states()["pump"], box.states()["valve"]) == (("running", None), ("running", None))
    answer = post(api, "apply", {"all": True, "force": False})
    assert (answer.status, answer.error["name"]) == (406, "nothing-staged")


def test_force_applies_what_is_held(box, api):
    holds.hold(box.ledger, ["pump"], "measuring", actor="anna")
    assert post(api, "apply", {"workload_names": ["pump"]}).error["name"] == "held"
    assert post(api, "apply", {"workload_names": ["pump"], "force": True}).status == 202
    box.turn()
    assert box.states()["pump"] == ("running", None)


def test_what_failed_before_is_left_out_of_everything_unless_it_is_asked_for(box, api):
    box.cluster.broken = {"pump": "exits with 3"}
    post(api, "apply", {"workload_names": ["pump"]})
    box.turn()
    assert box.states()["pump"][1] is not None
    answer = post(api, "apply", {"all": True})
    assert (answer.json["order"]["names"], answer.json["warnings"][0].startswith("left out: pump: ")) == (["valve"], True)
    assert post(api, "apply", {"workload_names": ["pump"], "retry_failed": True}).status == 400
    answer = post(api, "apply", {"all": True, "retry_failed": True})
    assert answer.json["order"]["names"] == ["pump", "valve"]
    box.cluster.broken = {}
    box.turn()
    assert box.states()["pump"] == ("running", None)
