"""Pages, as a browser asks for them: every page and header, sessions, origins, levels. The browser itself is in test_browser."""

import contextlib
import gzip
import http.client
import importlib
import inspect
import re
from dataclasses import replace

import pytest

from kelvin_provision.access.levels import Level
from kelvin_provision.api.authentication import sessions
from kelvin_provision.api.authentication.sessions import Sessions
from kelvin_provision.api.ui import rendering
from kelvin_provision.api.ui.handlers import assessing
from kelvin_provision.api.ui.handlers.workloads import ready_names
from kelvin_provision.api.ui.table import HANDLERS, PAGES
from kelvin_provision.applying.selection import choose, select
from kelvin_provision.errors import ProvisionError
from kelvin_provision.ledger import history, orders
from kelvin_provision.ledger.model.orders import Outcome
from kelvin_provision.queries.items import item_of
from kelvin_provision.settings.model import ApiSettings, ApplySettings
from kelvin_provision.settings.window import Window
from kelvin_provision.spec.enums import Method
from kelvin_provision.status import Verb
from tests.kit.api import PASSWORD, cheap_users, serving
from tests.kit.browser import Browser, as_level, plain
from tests.kit.confirmation import CONFIRMED
from tests.kit.events import Event, Listener, listening
from tests.kit.waiting import PATIENCE, until

CONCRETE = {
    "{user}": "absent",
    "{token}": "absent",
    "{workload_name}": "pump",
    "{order}": "1",
    "{digest}": "x",
    "{name}": "edge.css",
    "{upload}": "0" * 16,
    "{bundle}": f"sha256:{'0' * 64}",
}
ANY = [pytest.param(page, id=f"{page.method} {page.path}") for page in PAGES]
GUARDED = [pytest.param(page, id=f"{page.method} {page.path}") for page in PAGES if page.level]


def path(page):
    return re.sub(r"{\w+}", lambda match: CONCRETE[match[0]], page.path)


def asked(browser, page, fields=(), headers=()):
    if page.method == "POST":
        return browser.post(path(page), fields, headers)
    return browser.get(path(page), headers, page.method)


@pytest.fixture(autouse=True)
def hurried(hurried, monkeypatch):
    """Nor for its assessment."""
    monkeypatch.setattr(assessing, "PATIENCE", 0.05)
    monkeypatch.setattr(assessing, "TIME", 0.05)


@pytest.fixture
def ordered(box, api):
    """A browser of an operator, whose activation of pump has just been ordered."""
    browser = as_level(api, Level.OPERATE)
    answer = browser.post("/ui/activate", {"targets": "pump=2"})
    assert (answer.status, answer.headers["location"]) == (303, "/ui/operations/1")
    return browser


# --- sessions -------------------------------------------------------------------------------------


def test_a_login_makes_a_cookie_that_scripts_and_other_sites_never_have(quiet):
    answer = Browser(quiet).login("read")
    assert (answer.status, answer.headers["location"], answer.body) == (303, "/ui/", b"")
    assert re.fullmatch(r"kp=[-\w]{43}; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict", answer.headers["set-cookie"])


def test_with_tls_the_cookie_is_of_this_host_only_and_never_goes_without_tls(box):
    with serving(box, secure=True) as api:
        answer = Browser(api).login("read")
        assert re.fullmatch(r"__Host-kp=[-\w]{43}; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict; Secure", answer.headers["set-cookie"])
        browser = as_level(api, "read")
        assert browser.get("/ui/").status == 200
        assert api.ask("GET", "/ui/", headers={"Cookie": f"kp={browser.cookie}"}).status == 303
        fingerprint = api.credentials.certificate.chain.leaf.fingerprint
        assert fingerprint in Browser(api).get("/ui/login").body.decode()


def test_each_login_has_a_session_of_its_own_and_ends_the_one_before(quiet):
    browser = as_level(quiet, "read")
    before = browser.cookie
    browser.login("read")
    assert browser.cookie != before
    browser.cookie, after = before, browser.cookie
    assert browser.get("/ui/").headers["location"] == "/ui/login"
    browser.cookie = after
    assert browser.get("/ui/").status == 200


def test_logout_ends_it_in_the_box_and_in_the_browser(box, api):
    browser = as_level(api, "read")
    kept = browser.cookie
    answer = browser.post("/ui/logout")
    assert (answer.status, answer.headers["location"]) == (303, "/ui/login")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    browser.cookie = kept
    assert browser.get("/ui/").status == 303

    def actions():
        box.turn()
        return [(line.who, line.action) for line in history.history(box.ledger)][-2:]

    until(lambda: actions() == [("read@127.0.0.1 via ui", "api login"), ("read@127.0.0.1 via ui", "api logout")])  # soon, not at once


def test_a_session_ends_by_time_and_with_the_password(box):
    users, now = _users(box), [0.0]
    longest, idle = 12 * 3600.0, 3600.0
    kept = Sessions(users, _Silent(), longest, idle, lambda: now[0])
    text = kept.begin(users.get("read"))
    for _ in range(11):
        now[0] += idle - 1
        assert kept.principal(text, "::1", touch=True).actor == "read@::1 via ui"
    now[0] = longest
    assert (kept.principal(text, "::1", touch=True), len(kept)) == (None, 0)
    text = kept.begin(users.get("read"))
    now[0] += idle - 1
    assert kept.principal(text, "::1", touch=False)
    now[0] += 1
    assert kept.principal(text, "::1", touch=True) is None, "a page that refreshes itself keeps no session alive"
    text = kept.begin(users.get("read"))
    users.set_password("read", "Another123", CONFIRMED)
    assert kept.principal(text, "::1", touch=True) is None


def test_how_long_a_session_lasts_is_a_setting(box):
    box.settings = replace(box.settings, api=ApiSettings(session=7200.0, session_idle=600.0))
    with serving(box) as api:
        assert "; Max-Age=7200; " in Browser(api).login("read").headers["set-cookie"]


@pytest.mark.parametrize("where", ["/", "/ui", "/ui/", "/ui/login", "/ui/assets/x/edge.css", "/ui/events", "/ui/nothing"])
def test_a_box_may_have_no_pages(box, where):
    box.settings = replace(box.settings, api=ApiSettings(ui=False))
    with serving(box) as api:
        for answer in (Browser(api).get(where), Browser(api).post("/ui/login", {"username": "read", "password": PASSWORD})):
            (error,) = answer.json["errors"]
            assert (answer.status, error["name"], error["solution"]) == (404, "route-unknown", "kelvin-provision config set api.ui true")
        assert api.get("/api/v4/workloads/list").status == 200


def test_sessions_are_bounded_and_those_of_others_are_not_ended_by_a_wrong_cookie(box):
    users = _users(box)
    kept = Sessions(users, _Silent(), 60.0, 60.0)
    first, second = kept.begin(users.get("read")), kept.begin(users.get("read"))
    kept.principal(first, "::1", touch=True)
    for _ in range(sessions.MOST - 1):
        kept.begin(users.get("admin"))
    assert len(kept) == sessions.MOST
    assert (bool(kept.principal(first, "::1", touch=True)), kept.principal(second, "::1", touch=True)) == (True, None)
    kept.end("no session", "::1")
    assert len(kept) == sessions.MOST


class _Silent:
    def logout(self, *words):
        pass


def _users(box):
    return cheap_users(box.settings.state_dir, box.clock)


def test_wrong_passwords_are_said_on_the_form_and_slow_down(box, api):
    browser = Browser(api)
    answers = [browser.post("/ui/login", {"username": "read<b>", "password": "wrong"}) for _ in range(4)]
    assert [answer.status for answer in answers] == [401, 401, 401, 429]
    assert all("set-cookie" not in answer.headers for answer in answers)
    assert 'value="read&lt;b&gt;"' in answers[0].body.decode()
    assert "wrong" not in answers[0].body.decode().replace("password is wrong", "")
    assert "Too many failed logins for read&lt;b&gt;; try again in" in answers[3].body.decode()


def test_without_users_the_form_says_what_to_type_at_the_box(box, api):
    (box.settings.state_dir / "api-users.json").unlink()
    assert (
        "This box has no user yet. Type at the box: <code>kelvin-provision api user add NAME" in Browser(api).get("/ui/login").body.decode()
    )


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/ui/workloads/pump", "/ui/workloads/pump"),
        ("/ui/history", "/ui/history"),
        ("//evil.example/", "/ui/"),
        ("/ui/../api", "/ui/"),
        ("/ui//evil.example", "/ui/"),
        ("https://evil.example", "/ui/"),
        ("/ui/logout", "/ui/"),
        ("/ui/x\r\nset-cookie: a=b", "/ui/"),
    ],
)
def test_after_the_login_only_pages_of_this_box_follow(quiet, target, location):
    assert Browser(quiet).login("read", next=target).headers["location"] == location


# --- who may do what ------------------------------------------------------------------------------


@pytest.mark.parametrize("page", GUARDED)
def test_without_a_session_a_page_leads_to_the_login(quiet, page):
    browser = Browser(quiet)
    answer = asked(browser, page)
    if page.endless or page.script:
        assert answer.status == 401
    else:
        assert (answer.status, answer.headers["location"].partition("?")[0]) == (303, "/ui/login")
    assert browser.get(path(page), {"X-Live": "1"}).status in {401, 405}


@pytest.mark.parametrize("page", GUARDED)
def test_below_its_level_a_page_is_403_and_names_the_level(quiet, page):
    for level in Level:
        browser = as_level(quiet, level)
        if page.endless:
            continue
        answer = asked(browser, page)
        if level.allows(page.level):
            assert answer.status not in {401, 403, 405}
            assert "login" not in answer.headers.get("location", "")
        else:
            assert answer.status == 403
            assert f"this needs the level {page.level}; {level} has {level}" in answer.body.decode()


def test_every_handler_of_a_page_is_in_the_table():
    """They are imported when they are needed."""
    used = {page.handler for page in PAGES}
    for module in {handler.partition(".")[0] for handler in used}:
        found = importlib.import_module(f"{HANDLERS}.{module}")
        names = {
            f"{module}.{name}"
            for name, function in vars(found).items()
            if inspect.iscoroutinefunction(function)
            and function.__module__ == found.__name__
            and list(inspect.signature(function).parameters) in (["call"], ["_call"])
        }
        assert {name for name in names if not name.partition(".")[2].startswith("_")} == {
            name for name in used if name.startswith(f"{module}.")
        }


@pytest.mark.parametrize("page", ANY)
def test_other_methods_are_405(quiet, page):
    allowed = {other.method for other in PAGES if other.path == page.path} | {"HEAD"}
    for method in {"GET", "POST", "PUT", "DELETE", "OPTIONS", "TRACE"} - allowed:
        answer = Browser(quiet).get(path(page), method=method)
        assert (answer.status, set(answer.headers["allow"].split(", ")) - {"HEAD"}) == (405, allowed - {"HEAD"}), method


def test_a_reader_sees_no_buttons(quiet):
    for where in ("/ui/", "/ui/workloads/pump"):
        text = as_level(quiet, Level.READ).get(where).body.decode()
        assert not re.search("/ui/(activate|undo|stop|start)", text)
        assert "/ui/activate?name=pump" in as_level(quiet, Level.OPERATE).get(where).body.decode()


# --- origins, tokens, headers ---------------------------------------------------------------------

FORMS = [pytest.param(page, id=f"{page.method} {page.path}") for page in PAGES if page.method != "GET"]


@pytest.mark.parametrize("page", FORMS)
@pytest.mark.parametrize(
    ("site", "origin"),
    [
        ("cross-site", None),
        ("same-site", None),
        ("cross-site", "http://127.0.0.1:{port}"),
        (None, None),
        (None, "null"),
        (None, "https://127.0.0.1:{port}"),
        (None, "http://evil.example"),
        (None, "http://127.0.0.1:1"),
    ],
)
def test_a_form_of_another_origin_changes_nothing(quiet, page, site, origin):
    browser = as_level(quiet, Level.ADMIN)
    browser.site = site
    answer = asked(browser, page, {"targets": "pump=2"}, {"Origin": origin.format(port=quiet.port)} if origin else {})
    assert (answer.status, "does not come from a page of this box" in answer.body.decode()) == (403, True)
    browser.site = "same-origin"
    assert browser.get("/ui/").status == 200


def test_a_browser_without_sec_fetch_site_is_known_by_its_origin(quiet):
    browser = Browser(quiet, site=None)
    assert browser.login("read").status == 403
    fields = {"username": "read", "password": PASSWORD}
    assert browser.post("/ui/login", fields, {"Origin": f"http://127.0.0.1:{quiet.port}"}).status == 303
    browser.site = "none"
    assert browser.login("read").status == 303


def test_the_api_ignores_cookies(quiet):
    cookie = {"Cookie": f"kp={as_level(quiet, Level.ADMIN).cookie}"}
    for where in ("/api/v4/workloads/list", "/api/v4/workloads/pump/stop", "/edge/v1/history", "/edge/v1/events"):
        assert quiet.ask("GET", where, headers=cookie).status == 401


def test_pages_take_no_tokens(quiet):
    token = {"Authorization": f"Bearer {quiet.as_level(Level.ADMIN)}"}
    assert Browser(quiet).get("/ui/", token).status == 400
    assert as_level(quiet, Level.ADMIN).get("/ui/", token).status == 400


def test_two_cookies_of_the_name_are_none(quiet):
    browser = as_level(quiet, Level.READ)
    assert quiet.ask("GET", "/ui/", headers={"Cookie": f"a=b; kp={browser.cookie}"}).status == 200
    assert quiet.ask("GET", "/ui/", headers={"Cookie": f"kp={browser.cookie}; kp=x"}).status == 303


@pytest.mark.parametrize(
    "where",
    [
        "/",
        "/ui/",
        "/ui/login",
        "/ui/workloads/pump",
        "/ui/workloads/absent",
        "/ui/history",
        "/ui/nothing",
        "/ui/activate?name=pump",
        "/ui/operations/7",
        "/ui/workloads/pump/diff",
        "/ui/box",
        "/ui/deploy",
        "/ui/account",
        "/ui/undeploy-staged?name=pump",
    ],
)
def test_every_page_has_every_header(quiet, where):
    for browser in (Browser(quiet), as_level(quiet, Level.OPERATE)):
        headers = browser.get(where).headers
        assert {name: headers[name] for name in rendering.HEADERS} == rendering.HEADERS
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"


def test_pages_load_only_what_is_on_this_box(quiet):
    text = as_level(quiet, Level.OPERATE).get("/ui/").body.decode()
    loaded = re.findall(r'<(?:link|script|img|iframe)[^>]* (?:href|src)="([^"]*)"', text)
    assert len(loaded) == 3
    for where in loaded:
        answer = quiet.ask("GET", where)
        assert (answer.status, answer.headers["cache-control"]) == (200, "public, max-age=31536000, immutable")
        assert len(answer.body) < 10 << 10
        assert b"http://" not in answer.body.replace(b"http://www.w3.org/2000/svg", b"")
        assert quiet.ask("GET", where.replace("/assets/", "/assets/0")).status == 404
    assert not re.search(r"\sstyle=|\son[a-z]+=|<style|javascript:", text)


# --- pages ----------------------------------------------------------------------------------------


def test_the_list_has_what_runs_the_arrow_and_what_waits(box, api):
    text = as_level(api, Level.OPERATE).get("/ui/").body.decode()
    assert re.findall(r'<tr id="w-(\w+)">', text) == ["fan", "pump", "valve"]
    pump = plain(text.partition('id="w-pump"')[2].partition("</tr>")[0])
    assert "Running 1.0.0 → staged: 2.0.0 Ready Activate pump" in pump
    assert "Activate all ready (2)" in text


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("search=PUM", ["pump"]),
        ("state=ready", ["pump", "valve"]),
        ("state=running", ["fan", "pump"]),
        ("state=stopped", []),
        ("search=%00", []),
    ],
)
def test_search_and_filters(quiet, query, names):
    text = as_level(quiet, Level.READ).get(f"/ui/?{query}").body.decode()
    assert re.findall(r'<tr id="w-(\w+)">', text) == names
    assert names or "No workload matches." in text


def test_ready_is_what_an_apply_of_everything_takes_found_without_reading_a_workload(box):
    box.deploy("standard", method=Method.STANDARD)
    box.deploy("absent")
    del box.source.images["r.io/absent:1.0.0"]
    box.deploy("instant", method=Method.INSTANT)
    box.up("1.0.0", "broken")
    box.cluster.broken["broken"] = "it crashes"
    box.deploy("broken", version="2.0.0")
    box.turn()
    with contextlib.suppress(ProvisionError):
        box.command_apply("broken")
    taken = select(choose(box.ledger, (), everything=True), everything=True).workloads
    ready = {workload.name for workload in taken if item_of(workload).staged and item_of(workload).staged.ready}
    assert set(ready_names(box.ctx)) == ready == {"pump", "valve"}


@pytest.mark.parametrize("query", ["state=odd", "sort=name", "page=x", "search=a&search=b"])
def test_a_query_without_a_meaning_is_400(quiet, query):
    assert as_level(quiet, Level.READ).get(f"/ui/?{query}").status == 400


def test_pages_of_fifty(box, api):
    box.deploy(*(f"w-{number:03d}" for number in range(60)))
    browser, names, where = as_level(api, Level.READ), [], "/ui/"
    while where:
        text = browser.get(where).body.decode()
        found = re.findall(r'<tr id="w-([-\w]+)">', text)
        assert len(found) <= 50
        names += found
        where = (re.findall(r'rel="next" href="([^"]*)"', text) or [""])[0]
    assert (len(names), names) == (63, sorted(names))


def test_texts_of_others_are_shown_and_never_obeyed(box, api):
    evil = '<script>alert(1)</script>"\x1b[31m\u202eabc'
    with box.ledger.writing() as db:
        db.execute("UPDATE workloads SET title = ? WHERE name = 'pump'", (evil,))
    browser = as_level(api, Level.OPERATE)
    for where in ("/ui/", "/ui/workloads/pump", "/ui/activate?name=pump"):
        text = browser.get(where).body.decode()
        assert "&lt;script&gt;alert(1)&lt;/script&gt;&#34;\\x1b[31m\\u202eabc" in text
        assert "<script>" not in text
        assert "\x1b" not in text


def test_an_activation_is_confirmed_ordered_followed_and_undone(box, api, ordered):
    text = ordered.get("/ui/operations/1").body.decode()
    assert "Not begun yet" in text
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in text
    box.turn()
    text = ordered.get("/ui/operations/1").body.decode()
    assert "Running: Activate: pump" in text
    assert "refresh" not in text
    (order,) = orders.recent(box.ledger)
    assert (order.actor, order.verb, order.outcome) == ("operate@127.0.0.1 via ui", Verb.APPLY, Outcome.DONE)
    (where,) = re.findall(r'href="(/ui/undo[^"]*)"', text)
    confirm = ordered.get(where).body.decode()
    assert "2.0.0 → to 1.0.0" in plain(confirm)
    (targets,) = set(re.findall(r'name="targets" value="([^"]*)"', confirm))
    assert ordered.post("/ui/undo", {"targets": targets}).headers["location"] == "/ui/operations/2"
    box.turn()
    assert "Undone" in ordered.get("/ui/operations/2").body.decode()
    assert box.ledger.workload("pump").running.spec.app_version == "1.0.0"
    assert "/ui/undo" not in ordered.get("/ui/operations/1").body.decode(), "it was undone"


def test_all_that_is_ready_goes_together(box, api):
    browser = as_level(api, Level.OPERATE)
    text = browser.get("/ui/activate").body.decode()
    (targets,) = set(re.findall(r'name="targets" value="([^"]*)"', text))
    assert targets == "pump=2 valve=1"
    assert "all go back to what ran before" in text
    assert browser.post("/ui/activate", {"targets": targets}).status == 303
    box.turn()
    assert box.states()["valve"] == ("running", None)


def test_stop_and_start(box, api):
    browser = as_level(api, Level.OPERATE)
    for verb, state in (("stop", "stopped"), ("start", "running")):
        assert f'href="/ui/{verb}?name=fan"' in browser.get("/ui/workloads/fan").body.decode()
        assert browser.get(f"/ui/{verb}?name=fan").status == 200
        assert browser.post(f"/ui/{verb}", {"targets": "fan=1"}).status == 303
        box.turn()
        assert box.states()["fan"] == (state, None)


def test_two_taps_are_one_order(box, api, ordered):
    assert ordered.post("/ui/activate", {"targets": "pump=2"}).headers["location"] == "/ui/operations/1"
    assert len(orders.recent(box.ledger)) == 1


def test_what_has_changed_since_it_was_looked_at_is_not_ordered(box, api):
    browser = as_level(api, Level.OPERATE)
    box.deploy("pump", version="3.0.0")
    box.turn()
    answer = browser.post("/ui/activate", {"targets": "pump=2"})
    assert (answer.status, "was replaced in the meantime" in answer.body.decode()) == (409, True)
    box.command_apply("pump")
    assert browser.post("/ui/undo", {"targets": "pump=1"}).status == 409
    assert browser.post("/ui/stop", {"targets": "pump=1"}).status == 409
    assert [order for order in orders.recent(box.ledger) if not order.ended] == []


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"targets": ""},
        {"targets": "pump"},
        {"targets": "pump=0"},
        {"targets": "../x=1"},
        {"targets": "pump=2", "force": "1"},
        {"targets": "pump=2  valve=1"},
        {"targets": " ".join(f"w{n}=1" for n in range(101))},
    ],
)
def test_a_form_without_a_meaning_is_400(quiet, fields):
    assert as_level(quiet, Level.OPERATE).post("/ui/activate", fields).status == 400


def test_outside_of_the_window_the_list_the_workload_and_the_button_say_so(box):
    box.settings = type(box.settings)(**vars(box.settings) | {"apply": ApplySettings(settle=0.0, window=Window(((0, 1),)))})
    with serving(box) as api:
        browser = as_level(api, Level.OPERATE)
        closed = "it opens at"
        for where in ("/ui/", "/ui/workloads/pump", "/ui/activate?name=pump"):
            assert closed in browser.get(where).body.decode(), where
        assert '<button class="main' not in browser.get("/ui/activate?name=pump").body.decode()
        assert browser.post("/ui/activate", {"targets": "pump=2"}).status == 409


def test_the_history_of_a_name_without_one_is_404(quiet):
    browser = as_level(quiet, Level.READ)
    assert "Check that no line was changed" in browser.get("/ui/history?name=pump").body.decode()
    assert browser.get("/ui/history?name=absent").status == 404


def test_without_an_agent_the_chain_of_the_history_is_not_checked_and_the_page_says_so(quiet):
    text = as_level(quiet, Level.READ).get("/ui/history?verify=1").body.decode()
    assert "It could not be checked whether a line was changed, because the agent did not do it" in text
    assert "No line was changed" not in text


def test_a_change_comes_to_an_open_page_at_once(box, api):
    browser = as_level(api, Level.READ)
    before = _version(browser)
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", api.port, timeout=PATIENCE)) as connection:
        connection.request("GET", "/ui/events", headers={"Cookie": f"kp={browser.cookie}"})
        with connection.getresponse() as stream:
            assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
            begin = [stream.readline() for _ in range(5)]
            data = [b'data: {"version":"%s"}\n' % version for version in (before, _version(browser))]  # the login may be recorded between
            assert begin[3] in data
            assert begin == [b"retry: 3000\n", b"\n", b"event: changed\n", begin[3], b"\n"]
            box.stop("fan")
            assert [stream.readline() for _ in range(3)] == [b"event: changed\n", b"data: {}\n", b"\n"]
            browser.post("/ui/logout")
            box.stop("pump")
            assert stream.read() == b"", "the session has ended"


def _version(browser):
    """Of the ledger that a page shows."""
    return re.search(rb'data-version="([-0-9]+)"', browser.get("/ui/").body)[1]


def test_a_page_that_listens_hears_of_changes_alone_and_beside_a_program(box, api):
    """Looks for pages alone read no workload; with a program beside them, all are compared."""
    cookie = {"Cookie": f"kp={as_level(api, Level.READ).cookie}"}
    with contextlib.closing(api.connection()) as connection:
        connection.request("GET", "/ui/events", headers=cookie)
        with connection.getresponse() as stream:
            page = Listener(stream)
            assert page.next().data["version"]
            box.stop("fan")
            assert page.next() == Event("changed", {})
            with listening(api) as program:
                assert len([event for event in program.until("complete") if event.name == "workload"]) == 3
                box.stop("pump")
                assert page.next() == Event("changed", {})
                assert program.next().data["name"] == "pump"


@pytest.mark.parametrize(
    ("header", "packed"),
    [
        ("gzip, deflate, br", True),
        ("GZIP;q=0.1", True),
        ("br, *", True),
        ("", False),
        ("br", False),
        ("gzip;q=0", False),
        ("*;q=0", False),
        ("gzip;q=2", False),
        ("gzip " * 300, False),
    ],
)
def test_pages_and_assets_are_small_on_the_network_for_who_accepts_that(quiet, header, packed):
    browser = as_level(quiet, Level.READ)
    script = re.search(r'src="(/ui/assets/[^"]+)"', browser.get("/ui/").body.decode())[1]
    for where in ("/ui/", script, "/ui/nothing"):
        whole, answer = browser.get(where), browser.get(where, {"Accept-Encoding": header})
        assert answer.headers["content-length"] == str(len(answer.body))
        assert "Accept-Encoding" in answer.headers["vary"]
        assert answer.headers.get("content-encoding") == ("gzip" if packed else None)
        body = gzip.decompress(answer.body) if packed else answer.body
        assert re.sub(rb'data-now="[^"]*"', b"", body) == re.sub(rb'data-now="[^"]*"', b"", whole.body)
