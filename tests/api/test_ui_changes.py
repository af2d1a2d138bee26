"""Pages that change a workload, with an agent beside them that is asked first: several at once, differences, holds, times, undeploy."""

import re
from datetime import timedelta

import pytest

from kelvin_provision import timestamps
from kelvin_provision.access.levels import Level
from kelvin_provision.cluster.plan import Finding, Interruption
from kelvin_provision.ledger import holds, orders
from kelvin_provision.ledger.model.orders import Outcome
from kelvin_provision.spec.enums import Download
from kelvin_provision.status import Verb
from tests.kit.agent_thread import serving_beside_agent
from tests.kit.browser import as_level, plain
from tests.kit.waiting import until

pytestmark = pytest.mark.usefixtures("hurried")
EVIL = '<b onclick="x">&amp;\x1b[31m\u202e'
SHOWN = "&lt;b onclick=&#34;x&#34;&gt;&amp;amp;\\x1b[31m\\u202e"


@pytest.fixture
def asked(box):
    """The API, and an agent beside it that answers."""
    with serving_beside_agent(box) as api:
        yield api


def targets(text):
    return re.findall(r'name="targets" value="([^"]*)"', text)[0]


# --- several at once ------------------------------------------------------------------------------


def test_several_have_their_downtime_their_check_and_what_changes_as_one_has(box, asked):
    box.cluster.interruptions = [Interruption("pump", f"it restarts {EVIL}", certain=True)]
    text = as_level(asked, Level.OPERATE).get("/ui/activate").body.decode()
    page = plain(text)
    assert "pump : A short downtime is expected." in page
    assert "valve : No downtime expected." in page
    assert f"it restarts {SHOWN}" in text
    assert "Checked:" in page
    assert "What changes: pump" in page
    assert "What changes: valve" in page
    assert "Activate 2 workloads" in page


def test_what_forbids_one_of_several_is_said_before_the_button(box, asked):
    box.cluster.findings = [Finding("port-taken", "valve", "Service/valve", f"port 80 is taken {EVIL}")]
    text = as_level(asked, Level.OPERATE).get("/ui/activate").body.decode()
    assert f"port 80 is taken {SHOWN}" in text
    assert text.count("port 80 is taken") == 1
    assert "nothing speaks against it" not in text


def test_several_are_refused_as_a_whole_if_one_has_changed_meanwhile(box, api):
    browser = as_level(api, Level.OPERATE)
    seen = targets(browser.get("/ui/activate").body.decode())
    box.deploy("valve", version="2.0.0")
    box.turn()
    answer = browser.post("/ui/activate", {"targets": seen})
    assert (answer.status, "valve: its version was replaced in the meantime" in answer.body.decode()) == (409, True)
    assert orders.recent(box.ledger) == ()


def test_what_is_held_is_left_out_of_all_and_named(box, api):
    holds.hold(box.ledger, ["valve"], "until Friday", actor="anna")
    browser = as_level(api, Level.OPERATE)
    text = browser.get("/ui/activate").body.decode()
    assert (targets(text), "Held, so not activated with the others: valve." in text) == ("pump=2", True)
    holds.hold(box.ledger, ["pump"], "too", actor="anna")
    assert '<button class="main' not in browser.get("/ui/activate").body.decode()


# --- what would change ----------------------------------------------------------------------------


def test_the_differences_are_shown_in_full_with_words_for_the_marks(box, asked):
    text = as_level(asked, Level.READ).get("/ui/workloads/pump/diff").body.decode()
    assert "1.0.0 revision 1 → staged: 2.0.0 revision 2" in plain(text)
    assert "Thing/pump Changed" in plain(text)
    assert "before: r.io/pump:1.0.0@sha256:" in plain(text)
    assert "after: r.io/pump:2.0.0@sha256:" in plain(text)
    assert as_level(asked, Level.READ).get("/ui/workloads/fan/diff").status == 409
    assert as_level(asked, Level.READ).get("/ui/workloads/absent/diff").status == 404


def test_secrets_are_hidden_long_values_scroll_and_lines_have_their_marks(box, asked):
    """Of a request that changes the configuration: a secret, a long text, and a text of several lines."""
    for version, secret, text in (("3.0.0", "first-secret", "one\ntwo"), ("4.0.0", "other-secret", f"one\n{EVIL}")):
        configuration = {"password": secret, "long": version * 200, "text": text}
        payload = {"spec_version": "5.0.0", "type": "docker", "name": "pump", "title": "Pump", "description": "Pump", "version": version}
        payload |= {"image": {"mode": "manual", "uri": "r.io/pump:2.0.0"}, "defaults": {"configuration": configuration}}
        request = {"name": "pump", "app_name": "pump", "app_version": version, "payload": payload, "staged": True, "instantly_apply": False}
        assert asked.post("/api/v4/workloads/deploy", request).status == 201
        until(lambda version=version: box.ledger.workload("pump").staged.download is Download.READY)
        if version == "3.0.0":
            assert asked.post("/api/v4/workloads/apply", {"workload_names": ["pump"]}).status == 200
            until(lambda: box.ledger.workload("pump").staged is None)
    text = as_level(asked, Level.READ).get("/ui/workloads/pump/diff").body.decode()
    assert "secret" not in text.replace("secrets", "")
    assert "values are hidden" in text
    assert re.search(r'<pre tabindex="0" class="new">\+ (4\.0\.0)+</pre>', text)
    assert '<span class="old">-two</span>' in text
    assert f'<span class="new">+{SHOWN}</span>' in text


def test_without_an_agent_there_are_no_differences_and_the_page_says_why(quiet):
    answer = as_level(quiet, Level.READ).get("/ui/workloads/pump/diff")
    assert (answer.status, "agent" in plain(answer.body.decode())) == (503, True)


# --- logs -----------------------------------------------------------------------------------------


def test_logs_of_before_the_last_restart_are_a_page_and_a_file_of_their_own(box, asked):
    box.cluster.log_lines["pump"], box.cluster.previous_log_lines["pump"] = ["again"], [f"out of memory {EVIL}"]
    browser = as_level(asked, Level.READ)
    assert "/ui/workloads/pump/logs?previous=1" in browser.get("/ui/workloads/pump/logs").body.decode()
    text = browser.get("/ui/workloads/pump/logs?previous=1").body.decode()
    assert (f"out of memory {SHOWN}" in text, "again" in plain(text)) == (True, False)
    answer = browser.get("/ui/workloads/pump/logs.txt?previous=1")
    assert (answer.headers["content-disposition"], b"out of memory" in answer.body) == ('attachment; filename="pump-previous.log"', True)
    assert browser.get("/ui/workloads/fan/logs?previous=1").status == 409


# --- holds ----------------------------------------------------------------------------------------


def test_a_hold_has_a_reason_is_shown_and_ends(box, api):
    browser = as_level(api, Level.OPERATE)
    assert browser.post("/ui/workloads/pump/hold", {"reason": f"line 3 {EVIL}"}).headers["location"] == "/ui/workloads/pump"
    text = browser.get("/ui/workloads/pump").body.decode()
    assert f"line 3 {SHOWN}" in text
    assert "Held by operate@127.0.0.1 via ui since" in plain(text)
    assert "/ui/activate" in text, "at a time"
    assert browser.post("/ui/activate", {"targets": "pump=2"}).status == 409
    assert browser.post("/ui/workloads/pump/release").status == 303
    assert "Held by" not in browser.get("/ui/workloads/pump").body.decode()
    assert browser.post("/ui/workloads/pump/hold", {"reason": "  "}).status == 400
    assert browser.post("/ui/workloads/pump/hold", {"reason": "x" * 501}).status == 400
    assert browser.post("/ui/workloads/absent/hold", {"reason": "x"}).status == 404
    assert "/hold" not in as_level(api, Level.READ).get("/ui/workloads/pump").body.decode()


# --- times ----------------------------------------------------------------------------------------


def test_an_activation_at_a_time_of_the_box_is_an_order_and_can_be_cancelled(box, api):
    browser = as_level(api, Level.OPERATE)
    text = browser.get("/ui/activate?name=pump").body.decode()
    assert re.search(r'type="datetime-local" name="at" min="20\d\d-\d\d-\d\dT\d\d:\d\d" required', text)
    at = (box.ctx.now + timedelta(hours=2)).astimezone().replace(second=0, microsecond=0)
    form = {"targets": "pump=2", "at": at.strftime("%Y-%m-%dT%H:%M")}
    answers = [browser.post("/ui/schedule", form) for _ in range(2)]
    assert [answer.headers.get("location") for answer in answers] == ["/ui/operations/1"] * 2, answers[0].body.decode()
    (order,) = orders.recent(box.ledger)
    assert (order.at, order.verb, order.actor) == (timestamps.rfc3339(at), Verb.APPLY, "operate@127.0.0.1 via ui")
    text = browser.get("/ui/workloads/pump").body.decode()
    assert f"Will be activated at {timestamps.of_clock(at)}." in text
    assert "Waits until" in browser.get("/ui/operations/1").body.decode()
    assert browser.post("/ui/cancel", {"name": "pump"}).headers["location"] == "/ui/workloads/pump"
    assert orders.recent(box.ledger)[0].outcome is Outcome.CANCELLED


@pytest.mark.parametrize(
    ("at", "status", "says"),
    [
        ("", 400, "is no time"),
        ("yesterday", 400, "is no time"),
        ("2020-01-01T00:00", 400, "is past"),
        ("2999-01-01T00:00", 400, "more than a year"),
    ],
)
def test_a_time_that_is_none_is_refused(quiet, at, status, says):
    answer = as_level(quiet, Level.OPERATE).post("/ui/schedule", {"targets": "pump=2", "at": at})
    assert (answer.status, says in answer.body.decode(), "--at" in answer.body.decode()) == (status, True, False)


def test_a_time_for_what_has_changed_meanwhile_is_refused(box, api):
    at = (box.ctx.now + timedelta(hours=2)).astimezone().strftime("%Y-%m-%dT%H:%M")
    assert as_level(api, Level.OPERATE).post("/ui/schedule", {"targets": "pump=1", "at": at}).status == 409
    assert orders.recent(box.ledger) == ()


# --- undeploy -------------------------------------------------------------------------------------


def test_an_undeploy_needs_an_admin_and_the_name_typed(box, api):
    browser = as_level(api, Level.ADMIN)
    assert "/ui/undeploy?name=fan" in browser.get("/ui/workloads/fan").body.decode()
    assert "/ui/undeploy?" not in as_level(api, Level.DEPLOY).get("/ui/workloads/fan").body.decode()
    text = browser.get("/ui/undeploy?name=fan").body.decode()
    assert "Its data on this box is lost" in text
    for typed in ("", "pump", EVIL):
        answer = browser.post("/ui/undeploy", {"targets": targets(text), "name": typed})
        assert (answer.status, EVIL in answer.body.decode()) == (400, False)
    assert "That is not its name. Nothing was removed." in answer.body.decode()
    assert browser.post("/ui/undeploy", {"targets": targets(text), "name": " Fan "}).headers["location"] == "/ui/operations/1"
    box.turn()
    assert "fan" not in box.ledger.names()
    assert browser.get("/ui/operations/1").status == 200


def test_an_undeploy_of_what_is_staged_leaves_what_runs(box, api):
    browser = as_level(api, Level.OPERATE)
    assert "/ui/undeploy-staged?name=pump" in browser.get("/ui/workloads/pump").body.decode()
    text = browser.get("/ui/undeploy-staged?name=pump").body.decode()
    assert (targets(text), "What runs goes on." in text, "is lost" in text) == ("pump=2", True, False)
    assert browser.get("/ui/undeploy-staged?name=fan").status == 409
    answer = browser.post("/ui/undeploy-staged", {"targets": "pump=2", "name": "pump"})
    assert answer.status == 303
    assert "Remove the staged version: pump" in plain(browser.get(answer.headers["location"]).body.decode())
    box.turn()
    assert box.states()["pump"] == ("running", None)


def test_what_cannot_be_read_is_not_undeployed_from_a_page(box, api):
    with box.ledger.writing() as db:
        db.execute("UPDATE revisions SET spec = 'x' WHERE workload = 'fan'")
    answer = as_level(api, Level.ADMIN).get("/ui/undeploy?name=fan")
    assert (answer.status, "fan" in plain(answer.body.decode()), '<form method="post" action="/ui/undeploy' in answer.body.decode()) == (
        503,
        True,
        False,
    )


def test_a_version_that_came_meanwhile_is_not_removed_with_the_others(box, api):
    browser = as_level(api, Level.ADMIN)
    box.deploy("pump", version="3.0.0")
    for where in ("undeploy", "undeploy-staged"):
        answer = browser.post(f"/ui/{where}", {"targets": "pump=2", "name": "pump"})
        assert (answer.status, "was replaced in the meantime" in answer.body.decode()) == (409, True)
    assert orders.recent(box.ledger) == ()
