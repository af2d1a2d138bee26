"""Rehearsals over the API and from the page: an order of the agent, and its result beside the staged version."""

import pytest

from kelvin_provision.access.levels import Level
from kelvin_provision.ledger import orders
from tests.kit.browser import as_level, plain

PUMP = "/edge/v1/workloads/pump"
EVIL = '<b onclick="x">\x1b[31m'


def test_a_rehearsal_is_an_order_and_its_result_stands_with_the_workload(box, api):
    answer = api.post(f"{PUMP}/rehearse", {"seconds": 7, "real_volumes": "ro", "jobs": True}, Level.OPERATE)
    order = answer.json["order"]
    assert (answer.status, order["verb"], order["names"], order["outcome"]) == (202, "rehearse", ["pump"], None)
    box.turn()
    terms = box.cluster.rehearsal_terms
    assert (terms.policy.settle, terms.real_volumes, terms.jobs, terms.allow_network) == (7.0, True, True, False)
    assert api.get(f"/edge/v1/orders/{order['id']}").json["outcome"] == "done"
    shown = api.get("/api/v4/workloads/pump/get").json
    assert (shown["rehearsal"]["outcome"], shown["rehearsal"]["actor"]) == ("ok", "operate@127.0.0.1 via api")
    assert shown["status"]["state"] == "running"


def test_who_may_only_look_may_not_rehearse_and_what_is_not_staged_is_refused(box, api):
    assert api.post(f"{PUMP}/rehearse", {}, Level.READ).status == 403
    answer = api.post("/edge/v1/workloads/fan/rehearse", {}, Level.OPERATE)
    assert (answer.status, answer.error["name"]) == (406, "nothing-staged")
    assert api.post("/edge/v1/workloads/absent/rehearse", {}, Level.OPERATE).status == 404


@pytest.mark.parametrize(
    "body",
    [
        {"seconds": 0},
        {"seconds": "7"},
        {"seconds": 1e300},
        {"real_volumes": "rw"},
        {"real_volumes": {}},
        {"jobs": 1},
        {"allow_network": "true"},
        {"x": 1},
        [1],
    ],
)
def test_a_body_that_is_none_is_refused(box, api, body):
    assert api.post(f"{PUMP}/rehearse", body, Level.OPERATE).status == 400
    assert orders.recent(box.ledger) == ()


def test_the_page_has_a_button_and_the_result_with_its_reason(box, api):
    browser = as_level(api, Level.OPERATE)
    text = browser.get("/ui/workloads/pump").body.decode()
    number = box.ledger.workload("pump").staged.number
    assert f'name="targets" value="pump={number}"' in text
    box.cluster.broken["pump"] = f"exit code 3 {EVIL}"
    answer = browser.post("/ui/rehearse", {"targets": f"pump={number}"})
    assert answer.status == 303
    box.turn()
    text = browser.get("/ui/workloads/pump").body.decode()
    assert "Rehearsed: it failed" in plain(text)
    assert "exit code 3 &lt;b onclick=&#34;x&#34;&gt;" in text
    assert "<b onclick" not in text
    box.cluster.broken.clear()
    assert browser.post("/ui/rehearse", {"targets": f"pump={number}"}).status == 303
    box.turn()


def test_a_version_that_was_replaced_meanwhile_is_not_rehearsed(box, api):
    browser, number = as_level(api, Level.OPERATE), box.ledger.workload("pump").staged.number
    box.deploy("pump", version="9.0.0")
    box.turn()
    assert browser.post("/ui/rehearse", {"targets": f"pump={number}"}).status == 409
    assert orders.recent(box.ledger) == ()


def test_who_may_only_look_has_no_button(api):
    assert "/ui/rehearse" not in as_level(api, Level.READ).get("/ui/workloads/pump").body.decode()
