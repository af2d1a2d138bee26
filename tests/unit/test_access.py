"""Users, passwords and tokens: what is stored, what is accepted, and everything that is forged."""

import base64
import hashlib
import hmac
import json
import os
import stat

import pytest

from kelvin_provision.access import passwords, tokens
from kelvin_provision.access import sessions as sessions_module
from kelvin_provision.access.levels import MEANINGS, Level
from kelvin_provision.access.passwords import Cost
from kelvin_provision.access.sessions import FILE, Ended, EndedSessions
from kelvin_provision.access.tokens import Claims, TokenInvalid, Use
from kelvin_provision.access.users import Users
from kelvin_provision.errors import CannotWrite, NameTaken, PasswordRefused, StateDamaged, UsageRefused, UserUnknown
from kelvin_provision.files.durable import write_durably
from tests.kit.confirmation import CONFIRMED

NOW = 1_800_000_000
KEY = b"k" * 32
CLAIMS = Claims("http://127.0.0.1:30000/auth/realms/kelvin", "anna", Use.ACCESS, Level.OPERATE, 7, "s-1", NOW, NOW + 100)
CHEAP = Cost(n=2, r=1, p=1)


def part(document):
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


def signed(header, payload, key=KEY, digest=hashlib.sha256):
    text = f"{part(header)}.{part(payload)}"
    return f"{text}.{base64.urlsafe_b64encode(hmac.new(key, text.encode(), digest).digest()).rstrip(b'=').decode()}"


def payload(token):
    text = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


@pytest.fixture
def users(tmp_path):
    ticks = iter(range(1000))
    return Users(tmp_path, lambda: f"2026-11-23T00:00:00.{next(ticks):06d}Z", CHEAP)


# --- levels and passwords -------------------------------------------------------------------------


def test_a_level_may_do_all_that_the_one_before_may():
    assert [[level.allows(needed) for needed in Level] for level in Level] == [
        [True, False, False, False],
        [True, True, False, False],
        [True, True, True, False],
        [True, True, True, True],
    ]
    assert set(MEANINGS) == set(Level)


@pytest.mark.parametrize(
    ("password", "missing"),
    [
        ("", "8 more characters, an upper-case letter, a lower-case letter, a digit"),
        ("Short1", "2 more characters"),
        ("alllower1", "an upper-case letter"),
        ("ALLUPPER1", "a lower-case letter"),
        ("NoDigits", "a digit"),
    ],
)
def test_a_weak_password_is_refused_with_what_it_lacks(password, missing):
    with pytest.raises(PasswordRefused, match=f"^the password needs {missing}$"):
        passwords.refuse_weak(password)


@pytest.mark.parametrize("password", ["Aa1" + "x" * 1022, "Secret123\n", "Secret\x00123"])
def test_a_password_that_a_terminal_cannot_give_is_refused(password):
    with pytest.raises(PasswordRefused, match="control character"):
        passwords.refuse_weak(password)


def test_a_hash_is_salted_says_its_cost_and_matches_its_password_alone():
    first, second = passwords.hashed("Secret123", CHEAP), passwords.hashed("Secret123", CHEAP)
    assert first != second
    assert first.startswith("scrypt$2$1$1$")
    assert passwords.matches("Secret123", first)
    assert not passwords.matches("Secret124", first)


def test_the_cost_is_one_of_owasp():
    assert Cost(n=2**14, r=8, p=5) == passwords.COST
    stored = passwords.hashed("Pässwörd1")
    assert passwords.matches("Pässwörd1", stored)


@pytest.mark.parametrize(
    "stored", ["", "scrypt$2$1$1$00", "scrypt$x$1$1$00$00", "scrypt$2$1$1$zz$00", "md5$2$1$1$00$00", "scrypt$3$1$1$00$00"]
)
def test_a_damaged_hash_matches_nothing(stored):
    assert not passwords.matches("Secret123", stored)


# --- users ----------------------------------------------------------------------------------------


def test_users_are_kept_for_their_owner_alone_without_their_passwords(users):
    users.add("anna", "Secret123", Level.ADMIN, CONFIRMED)
    users.add("bert", "Secret124", Level.READ, CONFIRMED)
    assert [(user.name, user.level) for user in users.all()] == [("anna", Level.ADMIN), ("bert", Level.READ)]
    assert stat.S_IMODE(users.path.stat().st_mode) == 0o600
    assert b"Secret12" not in users.path.read_bytes()
    assert Users(users.path.parent, lambda: "now", CHEAP).get("anna") == users.get("anna")


def test_a_new_password_and_a_new_user_of_the_same_name_end_the_tokens_from_before(users):
    first = users.add("anna", "Secret123", Level.ADMIN, CONFIRMED).generation
    second = users.set_password("anna", "Secret124", CONFIRMED).generation
    users.remove("anna", CONFIRMED)
    third = users.add("anna", "Secret125", Level.ADMIN, CONFIRMED).generation
    assert len({first, second, third}) == 3


def test_what_another_process_changes_is_seen(users):
    users.add("anna", "Secret123", Level.ADMIN, CONFIRMED)
    other = Users(users.path.parent, lambda: "2026-11-23T00:00:00Z", CHEAP)
    other.remove("anna", CONFIRMED)
    assert users.find("anna") is None


def test_names_and_unknown_users_are_refused(users):
    users.add("anna", "Secret123", Level.READ, CONFIRMED)
    for name in ("a", "", "-anna", "anna smith", "x" * 65, "anna\n", "ännä"):
        with pytest.raises(UsageRefused, match="is not a user name"):
            users.add(name, "Secret123", Level.READ, CONFIRMED)
    with pytest.raises(NameTaken, match="there is a user anna already"):
        users.add("anna", "Secret123", Level.READ, CONFIRMED)
    for call in (
        lambda: users.get("bert"),
        lambda: users.remove("bert", CONFIRMED),
        lambda: users.set_password("bert", "Secret123", CONFIRMED),
    ):
        with pytest.raises(UserUnknown, match="no user bert"):
            call()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"form": 2, "users": []}',
        '{"form": 1, "users": [{}]}',
        '{"form": 1, "users": 3}',
        "[" * 5000,
        b"\xff".decode("latin-1"),
    ],
)
def test_a_damaged_file_is_said_to_be_damaged(users, text):
    users.path.write_text(text)
    with pytest.raises(StateDamaged, match="is damaged"):
        users.all()


# --- tokens ---------------------------------------------------------------------------------------


def test_a_token_says_who_it_is_for_and_can_be_read_by_clients():
    token = tokens.encode(CLAIMS, KEY)
    assert tokens.decode(token, KEY, use=Use.ACCESS, now=NOW) == CLAIMS
    document = payload(token)
    assert {key: document[key] for key in ("iss", "preferred_username", "iat", "exp", "typ", "lvl", "gen", "sid")} == {
        "iss": CLAIMS.issuer, "preferred_username": "anna", "iat": NOW, "exp": NOW + 100, "typ": "Bearer", "lvl": "operate", "gen": 7, "sid": "s-1",
    }  # fmt: skip
    assert tokens.encode(CLAIMS, KEY) != token, "each has an id of its own"


def test_a_clock_that_was_set_back_locks_nobody_out():
    token = tokens.encode(CLAIMS, KEY)
    assert tokens.decode(token, KEY, use=Use.ACCESS, now=0) == CLAIMS
    assert tokens.decode(token, KEY, use=Use.ACCESS, now=NOW + 159) == CLAIMS
    with pytest.raises(TokenInvalid, match="expired"):
        tokens.decode(token, KEY, use=Use.ACCESS, now=NOW + 161)


def test_a_refresh_token_is_no_access_token():
    with pytest.raises(TokenInvalid, match="cannot be used as a refresh token"):
        tokens.decode(tokens.encode(CLAIMS, KEY), KEY, use=Use.REFRESH, now=NOW)


GOOD = {
    "iss": "i",
    "sub": "anna",
    "preferred_username": "anna",
    "typ": "Bearer",
    "lvl": "admin",
    "gen": 7,
    "sid": "s",
    "iat": NOW,
    "exp": NOW + 100,
}
HEADER = {"alg": "HS256", "typ": "JWT"}


def test_the_forger_of_these_tests_makes_good_ones():
    assert tokens.decode(signed(HEADER, GOOD), KEY, use=Use.ACCESS, now=NOW).level is Level.ADMIN


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "é.b.c",
        "x" * 5000,
        signed(HEADER, GOOD, key=b"j" * 32),
        signed(HEADER, GOOD, key=b""),
        signed({"alg": "none", "typ": "JWT"}, GOOD),
        f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(GOOD)}.",
        signed({"alg": "HS512", "typ": "JWT"}, GOOD, digest=hashlib.sha512),
        signed(HEADER | {"crit": ["exp"]}, GOOD),
        signed(HEADER | {"kid": "../../etc/passwd"}, GOOD),
        signed(HEADER, GOOD) + "=",
        signed(HEADER, GOOD)[:-1],
        signed(HEADER, []),
        signed(HEADER, {key: value for key, value in GOOD.items() if key != "exp"}),
        signed(HEADER, GOOD | {"exp": "never"}),
        signed(HEADER, GOOD | {"exp": 10.5}),
        signed(HEADER, GOOD | {"exp": True}),
        signed(HEADER, GOOD | {"lvl": "root"}),
        signed(HEADER, GOOD | {"preferred_username": None}),
    ],
)
def test_a_token_that_was_not_made_here_is_refused(token):
    with pytest.raises(TokenInvalid, match="was not made by this box, or is damaged"):
        tokens.decode(token, KEY, use=Use.ACCESS, now=NOW)


def test_every_changed_character_is_seen():
    token = tokens.encode(CLAIMS, KEY)
    for place in range(len(token)):
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        with pytest.raises(TokenInvalid):
            tokens.decode(changed, KEY, use=Use.ACCESS, now=NOW)


def test_the_key_is_made_once_for_its_owner_alone(tmp_path):
    key = tokens.load_key(tmp_path)
    assert (len(key), tokens.load_key(tmp_path)) == (32, key)
    path = tmp_path / tokens.KEY_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_bytes(b"short")
    with pytest.raises(StateDamaged, match="is damaged"):
        tokens.load_key(tmp_path)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to("elsewhere")
    with pytest.raises(StateDamaged, match="is damaged"):
        tokens.load_key(tmp_path)


def ended(name="anna", generation=1, expires=NOW + 100):
    return Ended(name, generation, int(expires))


def test_an_end_that_could_not_be_written_is_written_by_the_next_try(tmp_path):
    sessions, path = EndedSessions(tmp_path), tmp_path / FILE
    os.mkfifo(path)
    with pytest.raises(CannotWrite):
        sessions.end("new", ended())
    assert sessions.has("new")
    path.unlink()
    sessions.save()
    assert EndedSessions(tmp_path).has("new")


def test_ended_sessions_outlive_a_restart_and_what_is_damaged_of_their_file(tmp_path):
    path = tmp_path / FILE
    sessions = EndedSessions(tmp_path)
    for name in ("first", "second", "third"):
        sessions.end(name, ended())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first, second, third = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + b"[" * 10_000 + b"\n" + second + b"{}\n[1]\n\xff\n" + third[:-9])
    again = EndedSessions(tmp_path)
    assert [again.has(name) for name in ("first", "second", "third", "other")] == [True, True, False, False]
    again.end("fourth", ended())
    assert len(path.read_bytes().splitlines()) == 3, "half a line is followed by none"
    path.write_text("{")
    assert not EndedSessions(tmp_path).has("first")


def test_an_end_is_one_line_and_the_file_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(sessions_module, "_SPARE", 10)
    written, path = [], tmp_path / FILE
    monkeypatch.setattr(sessions_module, "write_durably", lambda *words, **named: written.append(1) or write_durably(*words, **named))
    sessions = EndedSessions(tmp_path)
    for number in range(100):
        sessions.end(f"session-{number}", ended())
    assert (len(written), len(path.read_bytes().splitlines())) == (0, 100)
    sessions.forget("anna")
    sessions.end("the last one", ended())
    assert (len(written), len(path.read_bytes().splitlines())) == (1, 1)
    assert not EndedSessions(tmp_path).has("session-7")


def test_no_session_is_forgotten_while_its_tokens_are_valid_and_who_floods_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(sessions_module, "MOST", 10)
    sessions, generations = EndedSessions(tmp_path), {"anna": 1, "bert": 1}
    sessions.end("of anna", ended())
    sessions.end("of anna long ago", ended(expires=NOW - 90_000))
    sessions.end("of anna before a new password", ended(generation=0))
    for number in range(7):
        sessions.end(f"{number}", ended("bert"))
    assert sessions.crowding(NOW, generations.get) is None, "entries of expired tokens and of older passwords do not count"
    assert [sessions.has(name) for name in ("of anna", "0", "of anna long ago")] == [True, True, False]
    for number in range(7, 9):
        sessions.end(f"{number}", ended("bert"))
    assert sessions.crowding(NOW, generations.get) == "bert"
    sessions.forget("bert")
    assert [sessions.has(name) for name in ("of anna", "0")] == [True, False]
    assert EndedSessions(tmp_path).has("of anna")
