"""Routes of our own: what the terminal can do and the platform has no route for."""

import json
import tracemalloc

import pytest

from kelvin_provision.access.levels import Level
from kelvin_provision.errors import WorkloadUnknown
from kelvin_provision.ledger import history, holds, orders
from kelvin_provision.ledger.model.operations import Entry
from tests.kit.agent_thread import serving_beside_agent

EDGE = "/edge/v1"
PUMP = f"{EDGE}/workloads/pump"


@pytest.fixture
def asked(box):
    """The API, and an agent beside it that has other connections. It applies nothing: everything staged waits for a person."""
    with serving_beside_agent(box) as api:
        yield api


def test_history_says_who_did_what(box, api):
    assert api.get("/api/v4/workloads/pump/stop", Level.OPERATE).status == 200
    entries = api.get(f"{EDGE}/history?workload_name=pump&limit=1").json["entries"]
    assert [(entry["action"], entry["outcome"], entry["who"]) for entry in entries] == [
        ("stop order", "accepted", "operate@127.0.0.1 via api")
    ]
    assert len(api.get(f"{EDGE}/history").json["entries"]) > 5
    assert api.get(f"{EDGE}/history?workload_name=absent").status == 404
    assert api.get(f"{EDGE}/history?limit=1001").status == 400
    assert api.get(f"{EDGE}/history?{'&'.join(['workload_name='] * 101)}").status == 400


def test_a_limit_of_the_history_limits_what_is_read(box):
    """Ten thousand lines were read to show one."""
    with box.ledger.writing() as db:
        for number in range(3000):
            history.append(db, Entry(box.ledger.clock(), "anna", "api login", "", None, "failed", f"{number}", evidence=("e",) * 20))
    tracemalloc.start()
    try:
        found = history.history(box.ledger, evidence=True, newest=3)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert ([line.detail for line in found], peak < 1 << 17) == (["2997", "2998", "2999"], True), peak
    assert found == history.history(box.ledger, evidence=True)[-3:]
    assert [line.action for line in history.history(box.ledger, "pump", newest=1)] != ["api login"]
    shown = box.run("workloads", "history", "pump", "--limit", "1", "--json")
    assert len(json.loads(shown.stdout)["entries"]) == 1
    assert box.run("workloads", "history", "pump", "absent", "--limit", "1").exit_code == 66


def test_an_order_is_followed_to_its_end(box, api):
    answer = api.post(f"{PUMP}/rollback", {"to": None}, Level.OPERATE)
    assert (answer.status, answer.error["name"]) == (409, "nothing-to-roll-back")
    box.command_apply("pump")
    answer = api.post(f"{PUMP}/rollback", {}, Level.OPERATE)
    order = answer.json["order"]
    assert (answer.status, order["verb"], order["names"], order["outcome"]) == (202, "rollback", ["pump"], None)
    assert api.post(f"{PUMP}/rollback", {}, Level.OPERATE).json["order"]["id"] == order["id"], "the same request again"
    box.turn()
    shown = api.get(f"{EDGE}/orders/{order['id']}").json
    assert (shown["outcome"], shown["actor"]) == ("done", "operate@127.0.0.1 via api")
    assert api.get(f"{EDGE}/orders").json["data"][0] == shown
    assert box.ledger.workload("pump").running.spec.app_version == "1.0.0"
    assert api.post(f"{PUMP}/rollback", {"to": 2.0}, Level.OPERATE).status == 202, "the same number in JSON"
    box.turn()
    assert box.ledger.workload("pump").running.spec.app_version == "2.0.0"


def test_a_workload_that_goes_while_it_is_held_is_unknown_and_nothing_is_damaged(box):
    """The agent may have removed it since the name was looked up."""
    for change in (
        lambda: holds.hold(box.ledger, ["fan", "gone"], "works", actor="anna"),
        lambda: holds.release(box.ledger, ["gone"], actor="anna"),
    ):
        with pytest.raises(WorkloadUnknown):
            change()
    assert box.ledger.workload("fan").held is None


@pytest.mark.parametrize("number", ["0", "99", "x", "-1", "9" * 30, "1.5"])
def test_an_unknown_order_is_404(quiet, number):
    answer = quiet.get(f"{EDGE}/orders/{number}")
    assert (answer.status, answer.error["name"]) == (404, "order-unknown")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"to": "1"}, 400),
        ({"to": True}, 400),
        ({"to": 0}, 400),
        ({"to": 1.5}, 400),
        ({"to": 1e300}, 400),
        ({"tp": 1}, 400),
        ({"to": 77}, 404),
    ],
)
def test_a_revision_that_is_none_is_refused(box, api, body, status):
    assert api.post(f"{PUMP}/rollback", body, Level.OPERATE).status == status
    assert orders.recent(box.ledger) == ()


def test_a_hold_keeps_an_apply_away_until_it_is_released(box, api):
    assert api.post(f"{PUMP}/hold", {"reason": "line 3 produces"}, Level.OPERATE).status == 204
    answer = api.post("/api/v4/workloads/apply", {"workload_names": ["pump"]}, Level.OPERATE)
    assert (answer.status, "held by operate@127.0.0.1 via api" in answer.error["description"]) == (406, True)
    assert api.post(f"{PUMP}/release", {}, Level.OPERATE).status == 204
    assert api.post("/api/v4/workloads/apply", {"workload_names": ["pump"]}, Level.OPERATE).status == 200


@pytest.mark.parametrize(
    "body", [{}, {"reason": ""}, {"reason": "  "}, {"reason": 7}, {"reason": "x" * 501}, {"reason": "x", "until": "friday"}]
)
def test_a_hold_needs_a_reason(api, body):
    assert api.post(f"{PUMP}/hold", body, Level.OPERATE).status == 400
    assert api.post(f"{EDGE}/workloads/absent/hold", {"reason": "x"}, Level.OPERATE).status == 404


def test_the_agent_is_shown_also_where_none_is_alive(quiet):
    document = quiet.get(f"{EDGE}/agent").json
    assert (document["agent"]["alive"], document["orders"]) == (False, [])


def test_diff_and_check_are_answered_by_the_agent(asked):
    answer = asked.get(f"{PUMP}/diff")
    document = answer.json
    assert (answer.status, document["changes"], document["possible"]) == (200, True, True)
    (workload,) = document["workloads"]
    assert (workload["name"], workload["old"]["app_version"], workload["new"]["app_version"]) == ("pump", "1.0.0", "2.0.0")
    checks = asked.get(f"{PUMP}/check").json
    assert {line["status"] for line in checks["checks"]} <= {"ok", "warning", "error", "skipped"}
    assert sum(checks["counts"].values()) == len(checks["checks"]) > 5


@pytest.mark.parametrize(("name", "status", "code"), [("fan", 406, "nothing-staged"), ("absent", 404, "workload-unknown")])
def test_what_is_not_staged_has_no_diff_and_no_check(asked, name, status, code):
    for question in ("diff", "check"):
        answer = asked.get(f"{EDGE}/workloads/{name}/{question}")
        assert (answer.status, answer.error["name"]) == (status, code)


def test_what_controls_a_terminal_is_escaped_in_every_answer(box, api):
    reason = "a\x1b[2J\x9b31m\u202eb\x7f"
    assert api.post("/edge/v1/workloads/fan/hold", {"reason": reason}).status == 204
    answers = [api.get(path) for path in ("/edge/v1/history", "/api/v4/workloads/list", "/api/v4/workloads/fan/get")]
    answers.append(api.get("/api/v4/workloads/list?pagination_type=stream"))
    assert [b"\\u009b31m" in answer.body for answer in answers] == [False, True, True, True], "in the history it is text"
    assert "a\\x1b[2J\\x9b31m\\u202eb\\x7f" in {entry["detail"] for entry in answers[0].json["entries"]}
    for answer in (*answers, api.get("/api/v4/workloads/%C2%9B31m%E2%80%AE/get")):
        assert not set(answer.body.decode()) & set("\x1b\x9b\u202e\x7f")


def test_a_bug_is_one_line_of_the_log_and_says_what_was_asked(api, monkeypatch, caplog):
    def bug(*_):
        raise ZeroDivisionError

    monkeypatch.setattr("kelvin_provision.api.routes.workloads._document", bug)
    answer = api.get("/api/v4/workloads/fan%0A%1B[31mERROR/get")
    assert (answer.status, answer.error["name"]) == (500, "our-bug")
    (line,) = [record.getMessage() for record in caplog.records if record.name == "kelvin_provision.api"]
    assert line == "GET /api/v4/workloads/fan%0A%1B[31mERROR/get"
