"""The page of an operation that failed, and the code of an order for the shift log: stable, short, and found at every door."""

import json
import re

import pytest

from kelvin_provision.access.levels import Level
from kelvin_provision.ledger import journal, orders
from kelvin_provision.ledger.model.operations import Phase
from kelvin_provision.ledger.model.orders import Order, Outcome
from kelvin_provision.status import Verb
from tests.kit.browser import as_level, plain


def failed(box, api, why="no licence", *, both=False):
    """An activation of pump that did not come up; with `both`, neither did the version before."""
    box.cluster.broken["pump" if both else staged_image(box)] = why
    browser = as_level(api, Level.OPERATE)
    assert browser.post("/ui/activate", {"targets": "pump=2"}).status == 303
    box.turn()
    return browser, orders.recent(box.ledger)[0]


def staged_image(box):
    return box.ledger.workload("pump").staged.locks[0].pinned_reference


# --- how it ended ---------------------------------------------------------------------------------


def test_an_automatic_undo_says_why_what_runs_now_and_the_evidence(box, api):
    browser, order = failed(box, api, "CrashLoopBackOff: <b>no licence</b>\x1b[1m")
    text = browser.get("/ui/operations/1").body.decode()
    (status,) = re.findall(r'role="status">(.*?)</p>', text)
    assert plain(status).startswith("Undone : pump")
    assert "&lt;b&gt;no licence&lt;/b&gt;\\x1b[1m" in status
    assert "<title>Undone: Activate: pump" in text
    now = plain(text.partition('id="now"')[2].partition("</section>")[0])
    assert "Running pump 1.0.0" in now
    assert text.index('id="now"') < text.index('id="evidence"') < text.index('id="steps"')
    assert order.outcome is Outcome.FAILED
    assert re.search(r"Activate: pump [-\d: +]+, Undone", plain(browser.get("/ui/workloads/pump").body.decode()))


def test_what_could_not_be_undone_is_not_called_undone(box, api):
    browser, _ = failed(box, api, both=True)
    (status,) = re.findall(r'role="status">(.*?)</p>', browser.get("/ui/operations/1").body.decode())
    assert plain(status) == "Failed, and what ran before is not back : pump: no licence"


def test_while_it_is_undone_the_page_says_so(box, api):
    browser = as_level(api, Level.OPERATE)
    browser.post("/ui/activate", {"targets": "pump=2"})
    seen = []

    def look(verb, workload):
        if verb == "revert" or (operation := journal.unfinished(box.ledger)) is None:
            return
        if operation.phase is Phase.UNDOING:
            seen.append("It failed; what ran before is brought back" in browser.get("/ui/operations/1").body.decode())

    box.cluster.broken[staged_image(box)] = "no licence"
    box.cluster.before = look
    box.turn()
    assert seen
    assert all(seen)


def test_an_order_that_never_began_changed_nothing_and_says_so(box, api):
    browser = as_level(api, Level.OPERATE)
    browser.post("/ui/activate", {"targets": "pump=2"})
    (order,) = orders.pending(box.ledger)
    orders.end(box.ledger, order, Outcome.FAILED, "the cluster refuses it", actor="agent")
    (status,) = re.findall(r'role="status">(.*?)</p>', browser.get("/ui/operations/1").body.decode())
    assert plain(status) == "Not done : the cluster refuses it"


# --- the code -------------------------------------------------------------------------------------


def test_a_code_is_short_and_that_of_another_box_has_other_letters(box, api):
    def code(number, key):
        return Order(number, key, "anna", Verb.APPLY, (), {}, None, "2026-11-28T02:00:00Z").code

    codes = {code(412, f"box-{number}") for number in range(300)}
    assert len(codes) > 200
    assert all(re.fullmatch(r"412-[FHKLMRWXYZ]{3}", each) for each in codes)
    assert code(7, "a") == code(7, "a")


@pytest.fixture
def coded(box, api):
    browser, order = failed(box, api)
    return browser, order.code


def test_a_code_is_shown_and_found_by_the_page_as_it_is_typed(box, api, coded):
    browser, code = coded
    assert f"For the shift log: <code>{code}</code>" in browser.get("/ui/operations/1").body.decode()
    number, _, letters = code.partition("-")
    for typed in (code, code.lower(), f"{number}%20{letters}", number):
        assert browser.get(f"/ui/operations/{typed}").status == 200
        text = browser.get(f"/ui/history?find={typed}").body.decode()
        assert f"History of operation {code}" in text
        assert re.findall(r'<td lang="en">(\w+) ?<?', text)
    assert "undone" in text
    assert "api login" not in text
    for typed in ("1-AAA", "99", "99-FHK", "1%3Cb%3E"):
        answer = browser.get(f"/ui/operations/{typed}")
        assert (answer.status, "order" in answer.body.decode()) == (404, True)
        assert browser.get(f"/ui/history?find={typed}").status == 404
    assert "History of pump" in browser.get("/ui/history?find=pump").body.decode()
    assert browser.get("/ui/history?find=pmp").status == 404


def test_a_code_is_found_by_the_api(box, api, coded):
    _, code = coded
    assert api.get("/edge/v1/orders").json["data"][0]["code"] == code
    assert api.get(f"/edge/v1/orders/{code.lower()}").json["id"] == 1
    document = api.get(f"/edge/v1/history?order={code}").json
    assert (document["order"]["code"], {line["workload"] for line in document["entries"]}) == (code, {"pump"})
    answer = api.get("/edge/v1/history?order=1-AAA")
    assert (answer.status, answer.error["name"]) == (404, "order-unknown")


def test_a_code_is_found_at_the_terminal(box, api, coded):
    _, code = coded
    document = json.loads(box.run("workloads", "history", "--code", code, "--json").stdout)
    assert [line["outcome"] for line in document["entries"]] == ["accepted", "begun", "undone"]
    assert f"{code}: apply of pump, failed; total: 3 lines" in box.run("workloads", "history", "--code", code).stderr
    missing = box.run("workloads", "history", "--code", "1-AAA")
    assert (missing.exit_code, "order 1 has other letters" in missing.stderr) == (66, True)
