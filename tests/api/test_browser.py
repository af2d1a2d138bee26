"""The pages in a real browser: Debian's Chromium without a screen, as a phone and as a laptop, in the light and in the dark, with and without JavaScript."""

import json
import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from kelvin_provision.spec.enums import Download
from tests.kit.agent_thread import serving_beside_agent
from tests.kit.api import PASSWORD
from tests.kit.chromium import BOX, LAPTOP, PHONE, WITH_CHROMIUM, chromium, person, sync_api
from tests.kit.servers.line import Line
from tests.kit.waiting import PATIENCE, until

__all__ = ["chromium", "person"]
pytestmark = [pytest.mark.slow, WITH_CHROMIUM]
VIEWS = pytest.mark.parametrize("view", [PHONE, LAPTOP], ids=["phone", "laptop"])


@pytest.fixture(params=[False])
def served(box, request):
    """The API, and an agent beside it that carries orders out and answers questions. The parameter: with TLS."""
    with serving_beside_agent(box, secure=request.param) as api:
        yield api


@VIEWS
def test_log_in_activate_follow_to_the_end_and_undo(box, person, view):
    who = person(view)
    who.login()
    sync_api.expect(who.row("pump")).to_contain_text(re.compile(r"Running.*1\.0\.0.*→.*2\.0\.0.*Ready", re.DOTALL))
    who.look("list")
    who.press("link", "pump")
    who.look("workload")
    who.press("link", "Activate 2.0.0")
    sync_api.expect(who.page.locator("main")).to_contain_text("what ran before is brought back by itself")
    sync_api.expect(who.page.locator("main")).to_contain_text("Checked")
    who.look("activate")
    who.press("button", "Activate 2.0.0")
    sync_api.expect(who.status()).to_contain_text("Running")
    who.look("operation")
    who.page.reload()
    sync_api.expect(who.status()).to_contain_text("Running")
    who.press("link", "Undo")
    who.look("undo")
    who.press("button", "Undo: back to 1.0.0")
    sync_api.expect(who.status()).to_contain_text("Undone")
    who.press("link", "History")
    sync_api.expect(who.page.locator("main")).to_contain_text("Check that no line was changed")
    who.look("history")
    assert box.ledger.workload("pump").running.spec.app_version == "1.0.0"
    who.press("button", "Log out")
    who.page.get_by_role("button", name="Log in").wait_for()


@VIEWS
def test_without_javascript_it_does_the_same(box, person, view):
    who = person(view, script=False)
    who.login()
    who.press("link", "Activate pump")
    who.press("button", "Activate 2.0.0")
    sync_api.expect(who.status()).to_contain_text("Running")  # the page loads itself anew until the operation has ended
    assert box.ledger.workload("pump").running.spec.app_version == "2.0.0"
    who.look("operation")
    assert who.page.title().startswith("Running: Activate: pump")


def test_an_open_list_shows_what_another_door_does(box, person):
    who = person(PHONE)
    who.login("read")
    sync_api.expect(who.row("pump")).to_contain_text("Ready")
    box.stop("pump")
    sync_api.expect(who.row("pump")).to_contain_text("Stopped")
    box.deploy("newest")
    sync_api.expect(who.row("newest")).to_be_visible()
    assert who.page.get_by_role("link", name="Activate").count() == 0, "a user of level read may not activate"
    who.look("read")


def test_a_list_in_which_something_happens_all_the_time_shows_it_meanwhile(box, person):
    who = person(LAPTOP)
    who.login("read")
    until(lambda: who.row("pump").is_visible())
    before = who.page.locator("tbody tr").count()
    for number in range(16):
        box.deploy(f"new-{number}")
        who.page.wait_for_timeout(250)
    assert who.page.locator("tbody tr").count() > before + 4


def test_what_is_typed_and_where_the_focus_is_survives_an_update(box, person):
    who = person(LAPTOP)
    who.login()
    who.page.get_by_text("Search and filter").click()
    search = who.page.get_by_label("Search")
    search.fill("pum")
    box.stop("pump")
    sync_api.expect(who.row("pump")).to_contain_text("Stopped")
    assert search.input_value() == "pum"
    assert who.page.evaluate("document.activeElement.name") == "search"


def test_logs_and_what_an_activation_changes(box, person):
    box.cluster.log_lines["pump"] = ["starting", "<b>42</b> rpm \x1b[31m"]
    who = person(PHONE)
    who.login("operate")
    who.press("link", "pump")
    who.press("link", "Logs")
    sync_api.expect(who.page.locator("pre")).to_contain_text("<b>42</b> rpm \\x1b[31m")
    who.look("logs")
    who.press("link", "Follow")
    box.cluster.log_lines["pump"].append("stopping")
    sync_api.expect(who.page.locator("pre")).to_contain_text("stopping")
    with who.page.expect_download() as download:
        who.press("link", "Download")
    assert download.value.suggested_filename == "pump.log"
    assert "stopping" in Path(download.value.path()).read_text("utf-8")
    who.press("link", "Back")
    who.press("link", "Activate 2.0.0")
    who.page.get_by_text("What changes").click()
    sync_api.expect(who.page.locator("main")).to_contain_text(re.compile("r.io/pump:1.0.0 .*→ r.io/pump:2.0.0"))
    who.look("changes")


def test_a_failed_activation_says_why_and_what_runs_now(box, person):
    box.cluster.broken[box.ledger.workload("pump").staged.locks[0].pinned_reference] = "CrashLoopBackOff: <b>no licence</b>"
    who = person(PHONE)
    who.login()
    who.press("link", "Activate pump")
    who.press("button", "Activate 2.0.0")
    sync_api.expect(who.status()).to_contain_text("Undone: pump")
    sync_api.expect(who.page.locator("main")).to_contain_text("<b>no licence</b>")
    sync_api.expect(who.page.locator("main")).to_contain_text("1.0.0")
    who.look("failed")


def test_an_open_page_says_that_the_box_is_gone_and_comes_back(box, person, served):
    who = person(PHONE)
    who.login()
    who.context.set_offline(True)
    who.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    sync_api.expect(who.page.locator("#offline")).to_be_visible()
    who.context.set_offline(False)
    who.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    sync_api.expect(who.page.locator("#offline")).to_be_hidden()


def test_a_page_whose_connection_died_without_a_word_catches_up_after_its_sleep(box, person, served):
    with Line(served.port) as line:
        who = person(LAPTOP, url=f"http://127.0.0.1:{line.port}")
        who.page.clock.install()
        who.login("read")
        until(lambda: len(served.services.feed) == 1)
        line.die()
        box.stop("fan")
        line.revive()
        who.page.wait_for_timeout(2000)
        assert "Running" in who.row("fan").inner_text(), "the page knew of it over a dead connection"
        who.page.clock.fast_forward("01:00")
        sync_api.expect(who.row("fan")).to_contain_text("Stopped", timeout=1000 * PATIENCE)  # the browser's idle connections are dead, too


def test_the_stream_of_a_page_ends_with_it(person, served):
    who = person(PHONE)
    who.login()
    until(lambda: len(served.services.feed) == 1)
    who.press("link", "History")
    until(lambda: len(served.services.feed) == 0)


def test_by_the_keyboard_alone(box, person):
    who = person(LAPTOP)
    who.page.goto("/ui/login")
    who.page.keyboard.type("operate")
    who.page.keyboard.press("Tab")
    who.page.keyboard.type(PASSWORD)
    who.page.keyboard.press("Enter")
    who.page.get_by_role("heading", name="Workloads").wait_for()
    who.page.keyboard.press("Tab")
    assert who.page.evaluate("document.activeElement.textContent") == "To the content"
    for _ in range(30):
        who.page.keyboard.press("Tab")
        if who.page.evaluate("document.activeElement.getAttribute('href')") == "/ui/activate?name=pump":
            break
    who.page.keyboard.press("Enter")
    who.page.get_by_role("button", name="Activate 2.0.0").focus()
    who.page.keyboard.press("Enter")
    sync_api.expect(who.status()).to_contain_text("Running")


@pytest.mark.parametrize("served", [True], indirect=True, ids=["tls"])
def test_with_tls_as_on_another_machine(box, person, served):
    who = person(PHONE)
    who.page.goto("/")
    fingerprint = served.credentials.certificate.chain.leaf.fingerprint
    sync_api.expect(who.page.locator("main")).to_contain_text(fingerprint)
    who.login()
    (cookie,) = who.context.cookies()
    assert (cookie["name"], cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == ("__Host-kp", True, True, "Strict")
    who.press("link", "Activate pump")
    who.press("button", "Activate 2.0.0")
    sync_api.expect(who.status()).to_contain_text("Running")
    who.look("tls")
    who.page.goto("/ui/")
    until(lambda: len(served.services.feed) == 1)
    box.stop("fan")
    sync_api.expect(who.row("fan")).to_contain_text("Stopped")


def test_without_tls_by_a_name_browsers_send_no_fetch_metadata_and_forms_work_all_the_same(person, served):
    """As on a network without TLS (api.insecure), and as older browsers do everywhere."""
    who = person(PHONE, url=f"http://{BOX}:{served.port}")
    sent = []
    who.page.on("request", lambda request: sent.append((request.method, request.all_headers())))
    who.login()
    (headers,) = [headers for method, headers in sent if method == "POST"]
    assert ("sec-fetch-site" in headers, headers["origin"]) == (False, who.url)
    who.look("insecure")


def test_two_browsers_and_the_terminal_show_the_same(box, person):
    first, second = person(PHONE), person(LAPTOP)
    first.login()
    second.login("read")
    first.press("link", "Activate pump")
    first.press("button", "Activate 2.0.0")
    sync_api.expect(second.row("pump").get_by_text("→")).to_have_count(0)
    sync_api.expect(second.row("pump")).to_contain_text("2.0.0")
    sync_api.expect(first.status()).to_contain_text("Running")
    assert "2.0.0" in box.run("workloads", "list").stdout


RARE = {
    "/ui/activate": "activate-all",
    "/ui/workloads/pump/diff": "diff",
    "/ui/undeploy?name=pump": "undeploy",
    "/ui/deploy": "deploy",
    "/ui/box": "box",
    "/ui/box/images": "images",
    "/ui/users": "users",
    "/ui/users/read": "user",
    "/ui/tokens": "tokens",
    "/ui/account": "account",
}


@VIEWS
def test_the_pages_of_an_administrator(person, view):
    who = person(view)
    who.login("admin")
    for path, label in RARE.items():
        assert who.page.goto(path).ok
        for details in who.page.query_selector_all("details"):
            details.evaluate("each => each.open = true")
        who.look(label)


def test_without_javascript_a_request_is_staged_activated_at_a_time_held_and_removed_by_its_name(box, person, tmp_path):
    request = {"name": "fan", "title": "Fan", "app_name": "fan", "app_version": "2.0.0", "staged": True, "instantly_apply": False}
    payload = {"spec_version": "5.0.0", "type": "docker", "name": "fan", "title": "Fan", "description": "Air", "version": "2.0.0"}
    image = {"mode": "manual", "uri": "r.io/fan:2.0.0"}
    file = tmp_path / "fan.json"
    file.write_text(json.dumps(request | {"payload": payload | {"image": image}}))
    box.source.images["r.io/fan:2.0.0"] = box.source.images["r.io/fan:1.0.0"]
    who = person(PHONE, script=False)
    who.login("admin")
    who.press("link", "Deploy")
    who.page.get_by_label("A file with a request").set_input_files(file)
    who.press("button", "Check it")
    sync_api.expect(who.page.locator("main")).to_contain_text("1.0.0 → to 2.0.0")
    who.look("deploy-check")
    who.press("button", "Stage 2.0.0")
    until(lambda: box.ledger.workload("fan").staged.download is Download.READY)
    who.page.goto("/ui/activate?name=fan")
    who.page.get_by_text("Activate at a time").click()
    at = (datetime.now() + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M")  # noqa: DTZ005  (as a person reads the clock of the box)
    who.page.get_by_label("Time").fill(at)
    who.press("button", "Activate at this time")
    sync_api.expect(who.status()).to_contain_text("Waits until")
    who.page.goto("/ui/workloads/fan")
    who.press("button", "Cancel the scheduled activation")
    who.page.get_by_text("Hold: do not activate it").click()
    who.page.get_by_label("Why, for others to read").fill("line 3")
    who.press("button", "Hold")
    sync_api.expect(who.page.locator("main")).to_contain_text("line 3")
    who.look("held")
    who.press("button", "End the hold")
    who.page.get_by_role("link", name="Undeploy", exact=True).click()
    who.page.get_by_label("Type its name").fill("fan")
    who.press("button", "Undeploy fan")
    until(lambda: "fan" not in box.ledger.names())
