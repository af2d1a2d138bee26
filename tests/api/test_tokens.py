"""Tokens of programs: accepted by every route, revocable, noted when they are used; and users and tokens over /edge/v1."""

import json
import stat
import threading
import time
from dataclasses import replace

import pytest

from kelvin_provision.access import programs, records, tokens
from kelvin_provision.access.levels import Level
from kelvin_provision.access.programs import ProgramToken, ProgramTokens
from kelvin_provision.access.tokens import Use, load_key
from kelvin_provision.access.users import Users
from kelvin_provision.access.uses import FILE as USES
from kelvin_provision.access.uses import PRECISION, LastUses
from kelvin_provision.api.authentication.lockouts import Lockouts
from kelvin_provision.api.work.once import Once
from kelvin_provision.errors import NameTaken, StateDamaged, TokenUnknown, UsageRefused
from kelvin_provision.ledger import history
from kelvin_provision.settings.lockout import Lockout
from kelvin_provision.settings.model import ApiSettings
from kelvin_provision.usecases import api_tokens
from kelvin_provision.usecases.api_tokens import TokenRequest
from tests.kit.api import CHEAP, PASSWORD, serving
from tests.kit.clock import Clock
from tests.kit.confirmation import CONFIRMED
from tests.kit.waiting import until

pytestmark = pytest.mark.slow

LIST = "/api/v4/workloads/list"
USERS, TOKENS = "/edge/v1/users", "/edge/v1/tokens"
ISSUER = "http://127.0.0.1:30000/auth/realms/kelvin"
NOW = 1_800_000_000


def create(box, name="line-3", level=Level.READ, lifetime=3600.0):
    return api_tokens.create(box.ctx, TokenRequest(name, level, lifetime, ISSUER)).text


def lines(box, action):
    return [(line.who, line.detail) for line in history.history(box.ledger) if line.action == action]


def stored(box):
    return (box.settings.state_dir / programs.FILE).read_text()


# --- what a program may ---------------------------------------------------------------------------


def test_a_token_is_a_bearer_on_every_route_of_its_level_and_no_other(box, api):
    token = create(box, level=Level.OPERATE)
    answers = {
        path: api.ask(method, path, token=token).status
        for method, path in (("GET", LIST), ("GET", "/api/v4/apps/workloads/list"), ("GET", "/edge/v1/agent"), ("GET", "/workloads/list"))
    }
    assert set(answers.values()) == {200}
    info = api.ask("GET", "/auth/realms/kelvin/protocol/openid-connect/userinfo", token=token).json
    assert (info["preferred_username"], info["level"]) == ("token:line-3", "operate")
    assert api.ask("GET", "/api/v4/workloads/pump/stop", token=token).status == 200
    answer = api.ask("GET", USERS, token=token)
    assert (answer.status, answer.error["description"]) == (403, "this needs the level admin; token:line-3 has operate")
    assert (
        lines(box, "stop order") == [("token:line-3@127.0.0.1 via api", "")]
        or lines(box, "stop order")[0][0] == "token:line-3@127.0.0.1 via api"
    )


def test_a_token_has_the_claims_that_clients_read_and_is_not_stored(box):
    token = create(box)
    claims = tokens.decode(token, load_key(box.settings.state_dir), use=Use.ACCESS, now=time.time())
    assert (claims.issuer, claims.user, claims.use, claims.level) == (ISSUER, "token:line-3", Use.PROGRAM, Level.READ)
    assert claims.expires - claims.issued == 3600
    assert token not in stored(box)
    assert token.rpartition(".")[2] not in stored(box)
    assert stat.S_IMODE((box.settings.state_dir / programs.FILE).stat().st_mode) == 0o600
    assert lines(box, "api token create")[0][0] == "anna"
    assert not any(token in str(line) for line in history.history(box.ledger))
    assert token not in repr(api_tokens.TokenCreated(api_tokens.listed(box.ctx)[0], token))


def test_revoked_at_the_terminal_it_is_refused_at_once(box, api):
    token, other = create(box), create(box, "line-4")
    assert api.ask("GET", LIST, token=token).status == 200
    api_tokens.revoke(box.ctx, "line-3")
    answer = api.ask("GET", LIST, token=token)
    assert (answer.status, answer.error["description"]) == (401, "this token was revoked")
    assert api.ask("GET", LIST, token=other).status == 200
    create(box)
    assert api.ask("GET", LIST, token=token).status == 401, "another one of the same name has another number"
    with pytest.raises(TokenUnknown, match="no token line-9"):
        api_tokens.revoke(box.ctx, "line-9")


def test_its_level_is_that_of_the_file_and_a_token_of_a_program_is_no_refresh_token(box, api):
    token = create(box)
    path = box.settings.state_dir / programs.FILE
    path.write_text(stored(box).replace('"read"', '"admin"'))
    assert api.ask("GET", USERS, token=token).status == 200
    form = f"grant_type=refresh_token&refresh_token={token}".encode()
    answer = api.ask("POST", "/auth/realms/kelvin/protocol/openid-connect/token", body=form)
    assert (answer.status, answer.error["name"]) == (401, "invalid-grant")
    path.write_text("{}")
    assert api.ask("GET", LIST, token=token).error["name"] == "state-damaged"
    assert api.get(LIST).status == 200, "users are not concerned"


def test_an_expired_one_is_refused_listed_as_expired_and_gives_its_name_back(box):
    box.clock = lambda: "2026-11-20T00:00:00.000000Z"
    token = create(box, lifetime=60.0)
    with pytest.raises(NameTaken):
        create(box)
    with pytest.raises(tokens.TokenInvalid, match="has expired"):
        tokens.decode(token, load_key(box.settings.state_dir), use=Use.ACCESS, now=time.time())
    box.clock = lambda: "2026-11-20T00:02:00.000000Z"
    (item,) = api_tokens.listed(box.ctx)
    assert (item.is_expired, item.to_json()["expires"], item.to_json()["last_used"]) == (True, "2026-11-20T00:01:00Z", None)
    create(box)


@pytest.mark.parametrize(
    ("name", "lifetime"), [("a", 3600.0), ("a b", 3600.0), ("token:x", 3600.0), ("x" * 65, 3600.0), ("ok", 59.0), ("ok", 4e8)]
)
def test_what_is_no_name_and_no_lifetime_is_refused(box, name, lifetime):
    with pytest.raises(UsageRefused):
        create(box, name, lifetime=lifetime)


def test_users_and_tokens_are_bounded_in_number(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "MOST", 3)
    users, kept = Users(tmp_path, lambda: "2026-11-23T00:00:00Z", CHEAP), ProgramTokens(tmp_path)
    for number in range(3):
        users.add(f"user-{number}", PASSWORD, Level.READ, CONFIRMED)
        kept.add(ProgramToken(f"token-{number}", Level.READ, f"{number}", "anna", "2026-11-23T00:00:00Z", NOW), now=0, line=CONFIRMED)
    with pytest.raises(UsageRefused, match="there are 3 users"):
        users.add("user-3", PASSWORD, Level.READ, CONFIRMED)
    with pytest.raises(UsageRefused, match="there are 3 tokens"):
        kept.add(ProgramToken("token-3", Level.READ, "3", "anna", "2026-11-23T00:00:00Z", NOW), now=0, line=CONFIRMED)
    assert len(users.all()) == len(kept.all()) == 3


@pytest.mark.parametrize("text", ["{", "[]", '{"form": 2, "tokens": []}', '{"form": 1, "tokens": [{"name": "x"}]}', "[" * 100_000])
def test_a_damaged_file_says_what_to_do(tmp_path, text):
    (tmp_path / programs.FILE).write_text(text)
    with pytest.raises(StateDamaged) as caught:
        ProgramTokens(tmp_path).all()
    assert "create the tokens again" in str(caught.value.hint)


# --- last use -------------------------------------------------------------------------------------


def test_the_last_use_is_written_once_an_hour_not_once_a_request(tmp_path):
    uses = LastUses(tmp_path)
    assert [uses.note("a", NOW + second) for second in (0, 1, PRECISION - 1)] == [True, False, False]
    uses.save({"a"})
    assert uses.note("a", NOW + 2 * PRECISION)
    assert uses.note("b", NOW)
    uses.save({"a"})
    assert LastUses(tmp_path).stored() == {"a": int(NOW + 2 * PRECISION)}
    assert uses.note("a", 0.0), "the clock was set back"
    (tmp_path / USES).write_text("[")
    assert LastUses(tmp_path).stored() == {}


def test_a_list_says_when_each_was_used(box, api):
    token = create(box)
    create(box, "unused")
    for _ in range(20):
        assert api.ask("GET", LIST, token=token).status == 200
    used = {item["name"]: item["last_used"] is not None for item in api.get(TOKENS, Level.ADMIN).json["tokens"]}
    assert used == {"line-3": True, "unused": False}
    until(lambda: [item.last_used is not None for item in api_tokens.listed(box.ctx)] == [True, False])


# --- over the API ---------------------------------------------------------------------------------


def test_an_administrator_makes_and_revokes_tokens_over_the_api(box, api):
    answer = api.post(TOKENS, {"name": "line-3", "level": "operate", "for": "12h"})
    assert (answer.status, answer.json["token"]["created_by"], answer.json["token"]["level"]) == (201, "admin@127.0.0.1 via api", "operate")
    token = answer.json["access_token"]
    assert api.ask("GET", LIST, token=token).status == 200
    assert tokens.decode(token, load_key(box.settings.state_dir), use=Use.ACCESS, now=time.time()).issuer.endswith(
        f":{api.port}/auth/realms/kelvin"
    )
    assert api.ask("DELETE", f"{TOKENS}/line-3", token=api.as_level(Level.ADMIN)).status == 204
    assert api.ask("GET", LIST, token=token).status == 401
    assert lines(box, "api token revoke") == [("admin@127.0.0.1 via api", "line-3")]
    assert api.ask("DELETE", f"{TOKENS}/line-4", token=api.as_level(Level.ADMIN)).error["name"] == "token-unknown"


def test_an_administrator_manages_users_over_the_api(box, api):
    answer = api.post(USERS, {"name": "bert", "password": "Another123", "level": "deploy"})
    assert (answer.status, answer.json["user"]["level"], "assword" in str(answer.json)) == (201, "deploy", False)
    first = api.login("bert", "Another123").json["access_token"]
    assert api.post(f"{USERS}/bert/passwd", {"password": "Changed123"}).status == 204
    assert (api.ask("GET", LIST, token=first).status, api.login("bert", "Changed123").status) == (401, 200)
    assert api.post(f"{USERS}/bert/unlock").status == 204
    second = api.login("bert", "Changed123").json["access_token"]
    assert api.ask("GET", LIST, token=second).status == 200
    assert api.post(f"{USERS}/bert/level", {"level": "admin"}).status == 204
    assert api.ask("GET", USERS, token=second).status == 200
    assert [user["name"] for user in api.get(USERS, Level.ADMIN).json["users"]] == ["admin", "bert", "deploy", "operate", "read"]
    answer = api.ask("DELETE", f"{USERS}/bert", token=api.as_level(Level.ADMIN))
    assert (answer.status, answer.json) == (200, {"tokens": []})
    assert api.login("bert", "Changed123").status == 401
    for action, detail in (("add", "bert, deploy"), ("passwd", "bert"), ("unlock", "bert"), ("level", "bert, admin"), ("remove", "bert")):
        assert lines(box, f"api user {action}") == [("admin@127.0.0.1 via api", detail)]
    assert not any("nother123" in str(line) for line in history.history(box.ledger))


def test_who_removes_a_user_hears_which_tokens_of_that_user_go_on(box, api):
    def made(name, token=None, lifetime="12h"):
        answer = api.ask("POST", TOKENS, token=token or api.as_level(Level.ADMIN), body={"name": name, "level": "admin", "for": lifetime})
        return answer.json["access_token"]

    create(box, "of-the-box")
    second = made("line-2", made("line-1"))
    api.post(USERS, {"name": "admin@home", "password": PASSWORD, "level": "admin"})
    other = api.login("admin@home").json["access_token"]
    made("of-another", other)
    answer = api.ask("DELETE", f"{USERS}/admin", token=other)
    assert [(token["name"], token["revoke"]) for token in answer.json["tokens"]] == [
        ("line-1", "kelvin-provision api token revoke line-1"),
        ("line-2", "kelvin-provision api token revoke line-2"),
    ]
    assert api.ask("GET", USERS, token=second).status == 200
    assert box.run("api", "user", "add", "admin", "--level", "admin", "--password-stdin", stdin=f"{PASSWORD}\n").exit_code == 0
    result = box.run("api", "user", "remove", "admin")
    assert result.stdout == "user admin: removed\n"
    assert result.stderr.splitlines() == [
        f"warning: token line-{number} (admin), which admin made, goes on: kelvin-provision api token revoke line-{number}"
        for number in (1, 2)
    ]
    (box.settings.state_dir / programs.FILE).write_text("{")
    assert box.run("api", "user", "remove", "admin@home").exit_code == 0


@pytest.mark.parametrize(
    ("path", "body", "status", "name"),
    [
        (USERS, {"name": "bert", "password": "weak", "level": "read"}, 400, "password-refused"),
        (USERS, {"name": "admin", "password": PASSWORD, "level": "read"}, 400, "name-taken"),
        (USERS, {"name": "b", "password": PASSWORD, "level": "read"}, 400, "usage"),
        (USERS, {"name": "bert", "password": PASSWORD, "level": "root"}, 400, "bad-body"),
        (USERS, {"name": "bert", "password": PASSWORD}, 400, "bad-body"),
        (USERS, {"name": 7, "password": PASSWORD, "level": "read"}, 400, "bad-body"),
        (USERS, {"name": "bert", "pasword": PASSWORD, "level": "read"}, 400, "bad-body"),
        (f"{USERS}/bert/passwd", {"password": PASSWORD}, 404, "user-unknown"),
        (f"{USERS}/admin/passwd", {"password": "weak"}, 400, "password-refused"),
        (f"{USERS}/bert/unlock", {}, 404, "user-unknown"),
        (f"{USERS}/bert/level", {"level": "read"}, 404, "user-unknown"),
        (f"{USERS}/admin/level", {"level": "root"}, 400, "bad-body"),
        (TOKENS, {"name": "line-3", "level": "read", "for": "400d"}, 400, "bad-body"),
        (TOKENS, {"name": "line-3", "level": "read", "for": 90}, 400, "bad-body"),
        (TOKENS, {"name": "line 3", "level": "read"}, 400, "usage"),
    ],
)
def test_what_cannot_be_made_is_refused_by_name(quiet, path, body, status, name):
    answer = quiet.post(path, body)
    assert (answer.status, answer.error["name"]) == (status, name)
    assert PASSWORD not in str(answer.json)


def test_a_request_that_is_sent_again_is_done_once_unless_something_else_was_changed(box, api):
    user = {"name": "bert", "password": "Another123", "level": "read"}
    first, second = api.post(USERS, user), api.post(USERS, user)
    assert (first.status, first.body) == (second.status, second.body) == (201, first.body)
    token = {"name": "line-3", "level": "read"}
    assert api.post(TOKENS, token).json == api.post(TOKENS, token).json
    admin = api.as_level(Level.ADMIN)
    assert [api.ask("DELETE", f"{USERS}/bert", token=admin).status for _ in range(2)] == [200, 200]
    assert api.post(USERS, user).status == 201, "add, remove, add are three"
    assert len(lines(box, "api user add")) == 2
    assert api.post(TOKENS, token).error["name"] == "name-taken"
    assert len(lines(box, "api token create")) == 1


def test_what_is_remembered_of_such_requests_is_bounded_and_ends():
    clock, done = Clock(), []
    once = Once(clock)
    for number in range(10_000):
        once(str(number), lambda: "same", lambda: done.append(1))
    assert (len(once._made), len(done)) == (64, 10_000)
    once("9999", lambda: "same", lambda: done.append(1))
    once("9999", lambda: "other", lambda: done.append(1))
    clock.now += 61
    once("9999", lambda: "other", lambda: done.append(1))
    assert len(done) == 10_002


# --- lock-out -------------------------------------------------------------------------------------


@pytest.fixture
def strict(box):
    box.settings = replace(box.settings, api=ApiSettings(lockout=Lockout(2, 900.0)))
    with serving(box) as client:
        yield client


def test_by_default_no_user_is_ever_locked(quiet):
    assert quiet.services.settings.lockout is None
    lockouts = Lockouts(None, Clock())
    assert not any(lockouts.failed("admin", None) for _ in range(1000))
    assert lockouts.wait("admin", None) == 0.0


@pytest.mark.parametrize("name", ["admin", "nobody-here"])
def test_with_the_setting_a_user_is_locked_and_so_is_who_is_none(box, strict, name):
    assert [strict.login(name, "Wrong12345").status for _ in range(3)] == [401, 401, 429]
    answer = strict.login(name)
    assert (answer.status, answer.error["name"], "retry-after" in answer.headers) == (429, "user-locked", False)
    assert answer.json["message"].startswith(f"{name} is locked after failed logins; try again in ")
    assert answer.error["solution"] == f"at the box: kelvin-provision api user unlock {name}"
    assert strict.login("operate").status == 200
    strict.get("/edge/v1/agent", Level.OPERATE)
    locked = [(line.who, line.detail) for line in history.history(box.ledger) if line.outcome == "locked"]
    assert locked == ([("127.0.0.1 via api", "admin for 15m00s after 2 failed logins")] if name == "admin" else [])


def test_a_success_with_a_remembered_password_ends_the_row_and_the_delays(box, strict):
    assert strict.login("admin").status == 200
    for _ in range(6):
        assert [strict.login("admin", "Wrong12345").status, strict.login("admin").status] == [401, 200]
    assert not [line for line in history.history(box.ledger) if line.outcome == "locked"]


def test_unlocked_at_the_terminal_or_by_another_administrator(box, strict):
    for _ in range(2):
        strict.login("admin", "Wrong12345")
    assert strict.login("admin").status == 429
    assert box.run("api", "user", "unlock", "admin").stdout == "user admin: unlocked\n"
    assert strict.login("admin").status == 200
    for _ in range(2):
        strict.login("read", "Wrong12345")
    assert strict.post(f"{USERS}/read/unlock").status == 204
    assert strict.login("read").status == 200


def test_a_lock_counts_failures_in_a_row_and_ends_by_itself(tmp_path):
    clock, user = Clock(), Users(tmp_path, lambda: "2026-11-23T00:00:00Z", CHEAP).add("anna", PASSWORD, Level.READ, CONFIRMED)
    lockouts = Lockouts(Lockout(3, 900.0), clock)
    assert [lockouts.failed("anna", user) for _ in range(2)] == [False, False]
    lockouts.succeeded("anna")
    assert [lockouts.failed("anna", user) for _ in range(2)] == [False, False]
    clock.now += 901
    assert [lockouts.failed("anna", user) for _ in range(3)] == [False, False, True]
    assert lockouts.wait("anna", user) == 900.0
    for number in range(10_000):
        lockouts.failed(f"{number}" + "x" * 10_000, None)
    assert len(lockouts._strangers) == 1024
    assert lockouts.wait("anna", user) == 900.0, "strangers push no user out"
    clock.now += 900
    assert lockouts.wait("anna", user) == 0.0


def test_many_programs_at_once_get_their_answers(box, api):
    """The last use is noted in the event loop and written in another thread."""
    held = [create(box, f"line-{number}") for number in range(8)]
    statuses = []
    threads = [
        threading.Thread(target=lambda token=token: statuses.extend(api.ask("GET", LIST, token=token).status for _ in range(5)))
        for token in held
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 40
    until(lambda: len(json.loads((box.settings.state_dir / USES).read_text())) == 8)
