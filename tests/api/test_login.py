"""Logins: what the platform's clients send, delays in place of bans, and tokens that end."""

import asyncio
import contextlib
import os
import sqlite3
import threading
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import pytest

from kelvin_provision.access import sessions as sessions_module
from kelvin_provision.access.levels import Level
from kelvin_provision.access.users import Users
from kelvin_provision.api.authentication.audit import MOST_ADDRESSES, OTHERS, Audit
from kelvin_provision.api.authentication.remembered import MOST_PLACES, SECONDS, Remembered
from kelvin_provision.api.authentication.throttle import FREE, FREE_OF_ADDRESS, LONGEST, PER_HOUR, Throttle
from kelvin_provision.api.work import patience
from kelvin_provision.api.work.lines import Lines
from kelvin_provision.api.work.repeats import Repeats
from kelvin_provision.connections import NoLauncher
from kelvin_provision.ledger import history
from kelvin_provision.settings.model import HistorySettings
from tests.kit.api import CHEAP, PASSWORD, TOKEN, serving
from tests.kit.clock import Clock
from tests.kit.confirmation import CONFIRMED

pytestmark = pytest.mark.slow

REALM = "/auth/realms/kelvin"
LIST = "/api/v4/workloads/list"


def form(**fields):
    return urlencode(fields).encode()


def tokens(api, name="admin"):
    return api.login(name).json


def users_of(api):
    return Users(api.services.box.settings.state_dir, lambda: "2026-11-23T00:00:00Z", CHEAP)


def test_a_password_gives_two_tokens_as_keycloak_does(quiet):
    answer = quiet.login("operate", client_id="kelvin-client", scope="openid", totp="")
    document = answer.json
    assert (answer.status, document["token_type"], document["expires_in"], document["refresh_expires_in"]) == (200, "Bearer", 43200, 86400)
    assert quiet.ask("GET", LIST, token=document["access_token"]).status == 200
    assert quiet.ask("GET", LIST, token=document["refresh_token"]).status == 401
    info = quiet.ask("GET", f"{REALM}/protocol/openid-connect/userinfo", token=document["access_token"]).json
    assert info == {"sub": "operate", "preferred_username": "operate", "name": "operate", "level": "operate"}


def test_client_credentials_are_a_user_by_another_name(quiet):
    answer = quiet.ask("POST", TOKEN, body=form(grant_type="client_credentials", client_id="read", client_secret=PASSWORD, username="read"))
    assert quiet.ask("GET", LIST, token=answer.json["access_token"]).status == 200


def test_a_refresh_token_gives_new_tokens_of_the_same_session(quiet):
    first = tokens(quiet)
    second = quiet.ask(
        "POST", TOKEN, body=form(grant_type="refresh_token", refresh_token=first["refresh_token"], client_id="kelvin-client")
    ).json
    assert second["session_state"] == first["session_state"]
    assert second["access_token"] != first["access_token"]
    answer = quiet.ask("POST", TOKEN, body=form(grant_type="refresh_token", refresh_token=first["access_token"]))
    assert (answer.status, answer.error["name"]) == (401, "invalid-grant")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "grant_type is ''"),
        ({"grant_type": "authorization_code"}, "accepted are password, refresh_token and client_credentials"),
        ({"grant_type": "password", "username": "admin"}, "the form has no password"),
        ({"grant_type": "password", "password": "x"}, "the form has no username"),
        ({"grant_type": "refresh_token"}, "the form has no refresh_token"),
    ],
)
def test_a_form_that_lacks_something_is_400(quiet, fields, said):
    answer = quiet.ask("POST", TOKEN, body=form(**fields))
    assert (answer.status, answer.error["name"]) == (400, "bad-body")
    assert said in answer.error["description"]


@pytest.mark.parametrize("body", [b"\xff=1", b"a", b"&".join(b"a%d=1" % number for number in range(40)), b"username=a&username=b"])
def test_a_body_that_is_no_form_is_400(quiet, body):
    assert quiet.ask("POST", TOKEN, body=body).status == 400


def test_json_in_place_of_a_form_is_400(quiet):
    answer = quiet.ask("POST", TOKEN, body=b"{}", headers={"Content-Type": "application/json"})
    assert "is not a form" in answer.error["description"]


def test_another_realm_is_404_on_every_route(quiet):
    for method, path in (("POST", "protocol/openid-connect/token"), ("POST", "logout"), ("GET", ".well-known/openid-configuration")):
        answer = quiet.ask(method, f"/auth/realms/other/{path}", body=b"" if method == "POST" else None)
        assert (answer.status, answer.error["name"]) == (404, "realm-unknown")


def test_discovery_leads_to_the_token_route(quiet):
    document = quiet.ask("GET", f"{REALM}/.well-known/openid-configuration", host="localhost:99").json
    assert document["token_endpoint"] == f"http://localhost:99{TOKEN}"
    assert document["issuer"] == "http://localhost:99/auth/realms/kelvin"


# --- ends -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", [f"{REALM}/logout", f"{REALM}/protocol/openid-connect/logout"])
def test_a_logout_ends_the_session_also_for_the_next_process(box, route):
    with serving(box) as api:
        ended, other = tokens(api), tokens(api)
        answer = api.ask("POST", route, body=form(client_id="kelvin-client", refresh_token=ended["refresh_token"]))
        assert (answer.status, answer.body, "content-type" in answer.headers) == (204, b"", False)
        assert api.ask("POST", route, body=form(refresh_token="nonsense")).status == 204
    (box.settings.state_dir / "api-users.json").rename(box.settings.state_dir / "kept")
    with serving(box) as api:
        (box.settings.state_dir / "kept").rename(box.settings.state_dir / "api-users.json")
        statuses = [api.ask("GET", LIST, token=session["access_token"]).status for session in (ended, other)]
        assert statuses == [401, 200]
        answer = api.ask("POST", TOKEN, body=form(grant_type="refresh_token", refresh_token=ended["refresh_token"]))
        assert (answer.status, answer.error["description"]) == (401, "the session of this token has ended")


def log_out(api, session):
    return api.ask("POST", f"{REALM}/logout", body=form(refresh_token=session["refresh_token"])).status


def test_who_floods_with_logouts_ends_all_sessions_of_that_user_and_revives_none(box, monkeypatch):
    monkeypatch.setattr(sessions_module, "MOST", 8)
    with serving(box) as api:
        dead, alive, other = tokens(api), tokens(api), tokens(api, "read")
        assert log_out(api, dead) == 204
        flood = [tokens(api, "read") for _ in range(20)]
        assert {log_out(api, session) for session in flood} == {204}
        asked = [dead, alive, other, *flood]
        assert [api.ask("GET", LIST, token=session["access_token"]).status for session in asked] == [401, 200, 401, *[401] * 20]
        assert api.get(LIST, Level.READ).status == 200, "the user may log in again"
        sizes = len(api.services.authenticator._ended._ended)
    assert sizes <= 8
    assert [who for who, action, _, detail in lines(box) if "every session of read" in detail] == ["api"]
    with serving(box) as api:
        assert [api.ask("GET", LIST, token=session["access_token"]).status for session in asked[:3]] == [401, 200, 401]


def test_when_the_ledger_takes_no_line_a_flood_revives_nothing_either(box, monkeypatch):
    monkeypatch.setattr(sessions_module, "MOST", 2)
    monkeypatch.setattr(patience, "LEDGER", 0.05)
    with serving(box) as api:
        dead, alive = tokens(api), tokens(api)
        assert log_out(api, dead) == log_out(api, tokens(api)) == 204
        with contextlib.closing(sqlite3.connect(box.ledger.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert log_out(api, alive) == 503
            assert [api.ask("GET", LIST, token=session["access_token"]).status for session in (dead, alive)] == [401, 200]
        assert log_out(api, alive) == 204
        assert api.ask("GET", LIST, token=alive["access_token"]).status == 401


def test_a_refresh_token_of_a_user_who_was_removed_writes_no_line_for_the_next_of_that_name(box, api):
    session, users = tokens(api), users_of(api)
    users.remove("admin", CONFIRMED)
    assert log_out(api, session) == 204
    users.add("admin", PASSWORD, Level.READ, CONFIRMED)
    assert log_out(api, session) == 204
    assert api.login("admin").status == 200
    api.get("/edge/v1/agent")
    assert [action for _, action, *_ in lines(box)] == ["api login"] * 3


def test_a_new_password_and_a_removed_user_end_every_token_at_once(api):
    held = {level: api.as_level(level) for level in (Level.READ, Level.OPERATE, Level.DEPLOY)}
    users_of(api).set_password("read", "Another123", CONFIRMED)
    users_of(api).remove("operate", CONFIRMED)
    assert [api.ask("GET", LIST, token=token).status for token in held.values()] == [401, 401, 200]
    assert [api.login("read", password).status for password in ("Another123", PASSWORD)] == [200, 401]


def test_the_level_is_that_of_the_user_now(api):
    token = api.as_level(Level.ADMIN)
    users = users_of(api)
    users.remove("admin", CONFIRMED)
    users.add("admin", PASSWORD, Level.READ, CONFIRMED)
    assert api.ask("GET", LIST, token=token).status == 401, "it is another user of the same name"
    api.tokens.clear()
    assert api.post("/api/v4/workloads/absent/undeploy", level=Level.ADMIN).status == 403


# --- delays ---------------------------------------------------------------------------------------


def test_a_wrong_password_and_an_unknown_user_look_the_same(quiet):
    first, second = quiet.login("admin", "Wrong12345"), quiet.login("nobody-here", "Wrong12345")
    assert (first.status, first.body) == (second.status, second.body)
    assert (first.status, first.error["name"], first.json["message"]) == (401, "invalid-grant", "user or password is wrong")


def test_without_a_user_the_answer_says_what_to_type(api):
    (api.services.box.settings.state_dir / "api-users.json").unlink()
    assert "kelvin-provision api user add NAME --level LEVEL" in api.login("admin").error["solution"]


def test_after_three_failures_a_pair_waits_and_another_user_does_not(api):
    assert [api.login("admin", "Wrong12345").status for _ in range(FREE + 1)] == [401, 401, 401, 429]
    answer = api.login("admin")
    assert (answer.status, answer.error["name"], "retry-after" in answer.headers) == (429, "too-many-attempts", False)
    assert "too many failed logins for admin; try again in 1 s" in answer.json["message"]
    assert api.login("operate").status == 200
    time.sleep(1.05)
    assert [api.login("admin").status, api.login("admin", "Wrong12345").status] == [200, 401]


def test_a_verified_password_is_not_hashed_again(api):
    assert api.login("admin").status == 200
    authenticator = api.services.authenticator
    user = users_of(api).get("admin")
    assert authenticator._remembered.has(user, PASSWORD)
    assert not authenticator._remembered.has(user, "Wrong12345")
    users_of(api).set_password("admin", "Another123", CONFIRMED)
    assert api.login("admin").status == 401


def test_delays_double_up_to_half_a_minute_and_a_success_ends_them():
    clock = Clock()
    throttle, waits = Throttle(clock), []
    for _ in range(9):
        throttle.failed("admin", "192.0.2.7")
        waits.append(throttle.wait("admin", "192.0.2.7"))
        clock.now += LONGEST
    assert waits == [0.0, 0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    throttle.succeeded("admin", "192.0.2.7")
    throttle.failed("admin", "192.0.2.7")
    assert throttle.wait("admin", "192.0.2.7") == 0.0


def test_guesses_from_many_addresses_delay_those_alone():
    clock = Clock()
    throttle = Throttle(clock)
    throttle.succeeded("admin", "192.0.2.1")
    for number in range(PER_HOUR):
        throttle.failed("admin", f"198.51.100.{number}")
    assert throttle.wait("admin", "203.0.113.9") == LONGEST
    assert throttle.wait("admin", "192.0.2.1") == 0.0
    assert throttle.wait("bert", "203.0.113.9") == 0.0


def test_an_address_that_guesses_users_waits():
    throttle = Throttle(Clock())
    for number in range(FREE_OF_ADDRESS):
        assert throttle.wait("admin", "192.0.2.7") == 0.0
        throttle.failed(f"user-{number}", "192.0.2.7")
    assert throttle.wait("admin", "192.0.2.7") == 1.0
    assert throttle.wait("admin", "192.0.2.8") == 0.0


def test_long_names_of_users_take_no_memory():
    """A form has room for a name of 64 KiB, and one wide character makes each of them take four bytes."""
    throttle = Throttle(Clock())
    tracemalloc.start()
    try:
        for number in range(500):
            throttle.failed(f"\U0001f4a9{number}" + "a" * 60_000, f"127.0.0.{number}")
        assert tracemalloc.get_traced_memory()[0] < 4 << 20
    finally:
        tracemalloc.stop()
    for _ in range(FREE):
        throttle.failed("b" * 60_000, "192.0.2.7")
    assert throttle.wait("b" * 60_000, "192.0.2.7") == 1.0


@pytest.mark.parametrize("made", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to(path.name)], ids=["pipe", "folder", "link"])
def test_what_is_no_file_of_users_is_said_to_be_damaged(box, api, made):
    token, path = api.as_level("admin"), box.settings.state_dir / "api-users.json"
    path.unlink()
    made(path)
    for answer in (api.ask("GET", LIST, token=token), api.login("admin")):
        assert (answer.status, answer.error["name"]) == (503, "state-damaged")
        assert f"{path} is damaged" in answer.error["description"]


@pytest.mark.parametrize("address", ["192.{0}.{1}.7", "2001:db8:{0}:{1}::7"], ids=["IPv4", "IPv6"])
def test_ten_thousand_addresses_and_names_take_bounded_memory(address):
    throttle = Throttle(Clock())
    tracemalloc.start()
    try:
        for number in range(10_000):
            throttle.failed(f"{number}" + "\U0001f4a9" * 64, address.format(number // 250, number % 250))
            throttle.wait(f"{number}", address.format(number // 250, number % 250))
        assert tracemalloc.get_traced_memory()[0] < 5 << 20
    finally:
        tracemalloc.stop()


def test_an_attacker_with_an_ipv6_network_is_one_address():
    throttle = Throttle(Clock())
    for number in range(FREE_OF_ADDRESS):
        throttle.failed(f"user-{number}", f"2001:db8::{number:x}")
    assert throttle.wait("admin", "2001:db8::ffff") == 1.0
    assert throttle.wait("admin", "2001:db8:0:1::1") == 0.0
    assert throttle.wait("admin", "::ffff:192.0.2.7") == 0.0


def test_failures_of_a_user_are_forgotten_as_time_goes():
    clock = Clock()
    throttle = Throttle(clock)
    for number in range(3 * PER_HOUR):
        throttle.failed("admin", f"198.51.100.{number}")
        clock.now += 61
    assert throttle.wait("admin", "203.0.113.9") == 0.0


def test_other_memory_of_logins_is_bounded_too():
    """Repeated requests, and users in a line of the history."""
    repeats, written = Repeats(), []
    for number in range(10_000):
        repeats.remember(f"{number}", {"pump": number})
    assert len(repeats._made) == 64

    async def guess():
        audit = Audit(lambda *line: written.append(line), pause=0.01)
        for number in range(10_000):
            audit.wrong_password(f"user-{number}", f"2001:db8::{number:x}")
        await asyncio.sleep(0.1)

    asyncio.run(guess())
    assert len(written) <= 2 * (MOST_ADDRESSES + 1)
    assert max(len(detail) for *_, detail in written) < 200
    assert written[-1][-1].endswith(" more")


def test_lines_wait_for_the_ledger_bounded_and_together(box):
    jobs = []
    box.timings = replace(box.timings, ledger_busy=0.05)
    lines = Lines(box.ctx, jobs.append, most=5)
    for number in range(10_000):
        lines.add("anna@192.0.2.7 via api", "api login", "done", str(number))
    assert len(jobs) == 1, "one place in the queue of the ledger, however many lines"
    with contextlib.closing(sqlite3.connect(box.ledger.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        jobs.pop()()
    lines.add("anna@192.0.2.7 via api", "api login", "done", "later")
    jobs.pop()()
    found = [(line.outcome, line.detail) for line in history.history(box.ledger) if line.action == "api login"]
    assert found == [*(("done", str(number)) for number in range(5)), ("left out", "9996 lines, while the ledger took none")]
    assert history.broken_link(box.ledger) is None


def test_logins_alone_have_older_history_sealed_by_an_agent(box):
    woken = []
    box.launcher = type("Launcher", (NoLauncher,), {"ensure": lambda _self, _settings: woken.append(1) or ()})()
    box.settings = replace(box.settings, history=HistorySettings(keep=100))
    jobs = []
    lines = Lines(box.ctx, jobs.append)
    for number in range(130):
        lines.add("anna@192.0.2.7 via api", "api login", "done", str(number))
        jobs.pop()()
    assert woken == [1]


def test_guesses_from_one_address_are_at_most_three_thousand_a_day():
    clock = Clock()
    throttle, tried, end = Throttle(clock), 0, 1000.0 + 86_400
    while clock.now < end:
        wait = throttle.wait("admin", "192.0.2.7")
        clock.now += max(wait, 0.001)
        if not wait:
            tried += 1
            throttle.failed("admin", "192.0.2.7")
    assert tried <= 3000


# --- history --------------------------------------------------------------------------------------


def lines(box):
    return [(line.who, line.action, line.outcome, line.detail) for line in history.history(box.ledger) if line.action.startswith("api log")]


def test_who_came_from_where_is_in_the_history_and_a_repeated_login_once(box, api):
    for _ in range(3):
        session = api.login("admin").json
    for _ in range(2):
        api.ask("POST", f"{REALM}/logout", body=form(refresh_token=session["refresh_token"]))
    api.get("/edge/v1/agent")
    assert lines(box) == [
        ("admin@127.0.0.1 via api", "api login", "done", ""),
        ("admin@127.0.0.1 via api", "api logout", "done", ""),
        ("read@127.0.0.1 via api", "api login", "done", ""),
    ]
    assert history.broken_link(box.ledger) is None


def test_a_remembered_login_is_in_the_history_once_for_each_address(box, api):
    login = api.services.authenticator.login

    async def from_many():
        for _ in range(3):
            for address in ("192.0.2.7", "192.0.2.8", "192.0.2.7"):
                await login("admin", PASSWORD, address)
        await login("admin", PASSWORD, "192.0.2.7", "ui")

    assert api.login("admin").status == 200
    asyncio.run(from_many())
    api.get("/edge/v1/agent")
    places = [who for who, action, *_ in lines(box) if action == "api login" and who.startswith("admin")]
    assert places == [f"admin@{place}" for place in ("127.0.0.1 via api", "192.0.2.7 via api", "192.0.2.8 via api", "192.0.2.7 via ui")]


def test_who_has_logged_in_from_where_is_remembered_for_a_while_and_bounded(tmp_path):
    clock, user = Clock(), Users(tmp_path, lambda: "2026-11-23T00:00:00Z", CHEAP).add("anna", PASSWORD, Level.READ, CONFIRMED)
    remembered = Remembered(clock)
    remembered.add(user, PASSWORD)
    assert [remembered.is_new_at(user, "192.0.2.7") for _ in range(2)] == [True, False]
    clock.now += SECONDS
    assert (remembered.has(user, PASSWORD), remembered.is_new_at(user, "192.0.2.7")) == (False, True)
    for number in range(2 * MOST_PLACES):
        remembered.add(user, f"{number}")
        assert remembered.is_new_at(user, f"2001:db8::{number:x}"), "also beyond what is remembered"
    assert (len(remembered._passwords), len(remembered._places)) == (256, MOST_PLACES)
    clock.now += SECONDS
    assert remembered.is_new_at(user, "192.0.2.9")
    assert len(remembered._places) == 1


def test_wrong_passwords_are_summed_and_what_was_typed_is_not_written(box, api):
    for name in ("admin", "Secret123", "operate", "admin"):
        assert api.login(name, "Wrong12345").status == 401
    api.get("/edge/v1/agent")
    assert lines(box)[0] == ("127.0.0.1 via api", "api login", "refused", "1 wrong password for admin")
    assert len(lines(box)) == 2
    assert "Secret123" not in str(history.history(box.ledger))


def test_a_stop_writes_the_wrong_passwords_of_the_last_minute_and_every_line_that_waits(box):
    with serving(box) as api:
        for name in ("operate", "read", "operate", "nobody-here"):
            assert api.login(name, "Wrong12345").status == 401
        held = threading.Event()
        api.services.box.later(lambda: held.wait(20))
        assert api.login("admin").status == 200
        threading.Timer(0.2, held.set).start()
    assert [(line[0], *line[2:]) for line in lines(box)] == [
        ("127.0.0.1 via api", "refused", "1 wrong password for operate"),
        ("admin@127.0.0.1 via api", "done", ""),
        ("127.0.0.1 via api", "refused", "3 wrong passwords for operate, read, unknown users"),
    ]


def test_a_minute_of_guessing_is_one_line_and_many_addresses_share_one():
    written = []

    async def guess():
        audit = Audit(lambda *line: written.append(line), pause=0.05)
        for number in range(MOST_ADDRESSES + 5):
            for _ in range(10):
                audit.wrong_password("admin" if number % 2 else None, f"192.0.2.{number}")
        await asyncio.sleep(0.2)

    asyncio.run(guess())
    assert len(written) == 2 * (MOST_ADDRESSES + 1)
    assert written[0] == ("192.0.2.0 via api", "api login", "refused", "1 wrong password for unknown users")
    assert ("192.0.2.1 via api", "api login", "refused", "9 wrong passwords for admin") in written
    assert (f"{OTHERS} via api", "api login", "refused", "49 wrong passwords for admin, unknown users") in written
