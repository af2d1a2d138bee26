"""What is hostile or broken gets a clear answer on every route, nothing is lost, and nothing is a 5xx but 503 and 507 with a reason."""

import base64
import json
import socket
import struct
import time

import pytest

from kelvin_provision.access.levels import Level
from kelvin_provision.api.description import document
from kelvin_provision.api.messages.body import LARGEST
from kelvin_provision.api.routes.table import ROWS
from kelvin_provision.ledger import orders
from tests.kit.api import PASSWORD, serving
from tests.kit.disks import fill, needs_mount, tmpfs
from tests.kit.waiting import PATIENCE

DOCUMENT = document.document()
LIST = "/api/v4/workloads/list"
APPLY = "/api/v4/workloads/apply"
BROKEN = {
    "half": b'{"a": ',
    "no UTF-8": b'{"a": "\xff"}',
    "a list": b"[]",
    "text": b'"x"',
    "null": b"null",
    "deep": b'{"a": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "deep objects": b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
    "a key twice": b'{"name": "a", "name": "b"}',
    "NaN": b'{"name": NaN}',
    "a long number": b'{"name": ' + b"9" * 5000 + b"}",
    "half a character": b'{"name": "\\ud800"}',
    "NUL": b'{"name": "\\u0000"}',
    "two documents": b'{"a": 1}{"b": 2}',
}


def body_of(row):
    """The schema of the body of a row; None where it has none, or a form."""
    content = DOCUMENT["paths"][row.path][row.method.lower()].get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema")
    return DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]] if schema and "$ref" in schema else schema


def keys_of(row):
    """Of all forms that its body may have."""
    return list(dict.fromkeys(key for form in forms_of(row) for key in form.get("properties", {})))


def forms_of(row):
    schema = body_of(row)
    return schema.get("anyOf", [schema])


def is_closed(row):
    """Whether it names its keys: a route that refuses whatever it is asked does not."""
    return any("properties" in form for form in forms_of(row))


def path(row):
    return row.path.replace("{realm}", "kelvin").replace("{workload_name}", "pump")


WITH_BODY = [pytest.param(row, id=f"{row.method} {row.path}") for row in ROWS if body_of(row)]


def test_most_changes_have_a_body():
    assert len(WITH_BODY) > 8


@pytest.mark.parametrize("row", WITH_BODY)
def test_a_broken_body_is_400_on_every_route_and_changes_nothing(quiet, row):
    before = quiet.get(LIST).headers["etag"]
    for what, body in BROKEN.items():
        answer = quiet.ask(row.method, path(row), token=quiet.as_level(Level.ADMIN), body=body)
        assert (answer.status, answer.error["name"]) in {(400, "bad-body"), (400, "request-refused")}, what
        assert len(answer.body) < 4000, what
    answer = quiet.ask(row.method, path(row), token=quiet.as_level(Level.ADMIN), body=b"x" * (LARGEST + 1))
    assert (answer.status, answer.error["name"]) == (413, "body-too-large")
    assert quiet.get(LIST).headers["etag"] == before


@pytest.mark.parametrize("row", [param for param in WITH_BODY if is_closed(*param.values)])
def test_a_misspelt_key_is_named_with_the_nearest_on_every_route(quiet, row):
    keys = keys_of(row)
    if not keys:
        answer = quiet.ask(row.method, path(row), token=quiet.as_level(Level.ADMIN), body={"x": 1})
        assert "unknown key 'x'" in answer.error["description"]
        return
    key = max(keys, key=len)
    answer = quiet.ask(
        row.method, path(row), token=quiet.as_level(Level.ADMIN), body={f"{key[:-1]}": 1} if len(key) > 3 else {f"{key}x": 1}
    )
    shown = json.dumps(answer.json, ensure_ascii=False)
    assert answer.status == 400
    assert f"did you mean {key}" in shown or f"accepted is {key}" in shown or f'"{key}": ' in answer.error["description"], shown


# --- who asks -------------------------------------------------------------------------------------


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_forged_expired_and_unsigned_tokens_are_401_and_look_the_same(quiet):
    head, claims, signature = quiet.as_level(Level.ADMIN).split(".")
    document = json.loads(base64.urlsafe_b64decode(claims + "=="))
    refresh = quiet.login("admin").json["refresh_token"]
    forged = {
        "alg none": f"{part({'alg': 'none', 'typ': 'JWT'})}.{claims}.",
        "alg none, signed": f"{part({'alg': 'none', 'typ': 'JWT'})}.{claims}.{signature}",
        "another level": f"{head}.{part(document | {'lvl': 'admin', 'exp': 1 << 40})}.{signature}",
        "another algorithm": f"{part({'alg': 'HS512', 'typ': 'JWT'})}.{claims}.{signature}",
        "no signature": f"{head}.{claims}.",
        "a refresh token": refresh,
        "no token": "null",
        "huge": "a" * 8000,
    }
    for what, token in forged.items():
        answer = quiet.ask("GET", LIST, token=token)
        assert (answer.status, answer.error["name"], answer.headers["www-authenticate"]) == (401, "login-required", "Bearer"), what
    for header in ("Basic YWRtaW46eA==", "Bearer", f"bearer  {quiet.as_level(Level.READ)} x", "Token x", ""):
        assert quiet.ask("GET", LIST, headers={"Authorization": header}).status == 401, header


def test_a_page_of_another_site_changes_nothing(box, api):
    """It has the cookies of the browser and no token, and posts what a form can post."""
    token = api.as_level(Level.ADMIN)
    site = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site", "Cookie": f"token={token}; Authorization={token}"}
    for target, body in (
        (APPLY, b'{"workload_names": ["pump"]}'),
        ("/api/v4/workloads/pump/undeploy", b""),
        (f"{APPLY}?access_token={token}", b'{"workload_names": ["pump"]}'),
    ):
        answer = api.ask("POST", target, body=body, headers={**site, "Content-Type": "text/plain"})
        assert (answer.status, answer.error["name"]) == (401, "login-required")
    for target in ("/api/v4/workloads/pump/stop", "/api/v4/workloads/fan/stop"):
        assert api.ask("GET", target, headers=site).status == 401
    assert api.ask("OPTIONS", APPLY, headers={**site, "Access-Control-Request-Method": "POST"}).status == 405
    assert orders.recent(box.ledger) == ()


# --- what is asked for ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    ["http://evil.example/metadata", "/api/v4/workloads/list/../../../../etc/passwd", "/api/v4/workloads/..%2f..%2fetc%2fpasswd/get", "*",
     "/api/v4/workloads/%2e%2e/get", "/api/v4\\workloads\\list", "/api/v4/workloads/list;x=1", "//evil.example/%2e%2e", "/%c0%ae%c0%ae/", "?x",
     "/api/v4/workloads/list%00", "/api/v4/workloads/pump%0d%0aX-Evil:1/get", "evil.example:443"],
)  # fmt: skip
def test_a_path_that_plays_tricks_is_400_or_404(quiet, target):
    token = quiet.as_level(Level.ADMIN)
    request = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", quiet.port), timeout=PATIENCE) as connection:
        connection.sendall(request.encode())
        received = b""
        while more := connection.recv(65536):
            received += more
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.split(b" ", 2)[1] in {b"400", b"404"}, head
    assert b"X-Evil" not in head
    assert json.loads(body)["errors"][0]["name"] in {"bad-http", "route-unknown", "workload-unknown"}


# --- what happens meanwhile -----------------------------------------------------------------------


def test_an_order_of_a_client_that_hangs_up_is_stored_once_or_not_at_all(box, api):
    token = api.as_level(Level.OPERATE)
    body = b'{"workload_names": ["pump"]}'
    head = f"POST {APPLY} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    for sent in (head, head + body[:9], head + body, head + body):
        connection = socket.create_connection(("127.0.0.1", api.port), timeout=PATIENCE)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(sent)
        time.sleep(0.05)
        connection.close()
    assert api.post(APPLY, {"workload_names": ["pump"]}, Level.OPERATE).status == 200
    assert [order.names for order in orders.recent(box.ledger)] == [("pump",)]


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/edge/v1/users", 200),
        ("/edge/v1/%75sers", 200),
        ("/edge/v1/users%0a", 404),
        ("/edge/v1/users%0A", 404),
        ("/edge/v1%2Fusers", 404),
        ("/edge/v1%2fusers", 404),
        ("%2Fedge/v1/users", 404),
        ("/edge/v1/users/", 404),
        ("//edge/v1/users", 404),
        ("/api/v4/workloads/pump/get", 200),
        ("/api/v4/workloads/%70ump/get", 200),
        ("/api/v4/workloads/pump%2Fget", 404),
        ("/api/v4/workloads/pump/get%0a", 404),
        ("/api/v4/workloads/pump%0a/get", 404),
        ("/api/v4/workloads//get", 404),
        ("/ui%2Flogin", 404),
        ("/ui/login%0a", 404),
    ],
)
def test_a_route_is_found_by_the_path_as_it_was_sent(quiet, target, status):
    answer = quiet.ask("GET", target, token=None if target.startswith("/ui") else quiet.as_level(Level.ADMIN))
    assert answer.status == status


@pytest.mark.parametrize("second", ["Bearer x", "", "the same"])
def test_a_request_with_two_users_is_none(quiet, second):
    token = quiet.as_level(Level.READ)
    own = f"Bearer {token}"
    text = f"GET {LIST} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {own}\r\nauthorization: {own if second == 'the same' else second}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", quiet.port), timeout=PATIENCE) as connection:
        connection.sendall(text.encode())
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"one Authorization header" in answer


@pytest.mark.parametrize(
    ("port", "status"),
    [("", 421), ("0", 421), ("00080", 421), ("1", 200), ("65535", 200), ("65536", 421), ("99999999", 421), ("9" * 5000, 421)],
)
def test_the_port_of_a_host_is_one(quiet, port, status):
    for host in ("127.0.0.1", "[::1]", "localhost"):
        assert quiet.get(LIST, host=f"{host}:{port}").status == status


@pytest.mark.slow
@needs_mount
def test_on_a_full_disk_changes_are_507_with_a_reason_and_the_rest_works(tmp_path, box):
    box.close()
    with tmpfs(tmp_path / "disk", "4m") as disk:
        box = box.copy(disk / "state")
        try:
            with serving(box) as api:
                for level in Level:
                    api.as_level(level)
                fill(disk)
                for target, body in (
                    (APPLY, {"workload_names": ["pump"]}),
                    ("/api/v4/workloads/fan/undeploy", None),
                    ("/edge/v1/workloads/fan/hold", {"reason": "x"}),
                    ("/api/v4/workloads/fan/configurations/update", {"configuration": {"a": 1}}),
                    ("/edge/v1/users", {"name": "bert", "password": "Another123", "level": "admin"}),
                    ("/edge/v1/users/read/passwd", {"password": "Another123"}),
                    ("/edge/v1/tokens", {"name": "line-3", "level": "admin"}),
                ):
                    answer = api.post(target, body)
                    assert (answer.status, answer.error["name"]) == (507, "no-space"), target
                    assert answer.error["solution"]
                assert api.get("/api/v4/workloads/fan/stop", Level.OPERATE).status == 507
                assert [api.get(target).status for target in (LIST, "/api/v4/workloads/pump/get", "/metrics", "/edge/v1/orders")] == [
                    200
                ] * 4
                assert api.login("admin").status == 200, "no user is locked out"
                assert [api.login("bert", "Another123").status, api.get("/edge/v1/agent").status] == [401, 200], (
                    "no change without its line"
                )
                assert api.get("/edge/v1/tokens", Level.ADMIN).json == {"tokens": []}
                (disk / "filler").unlink()
                assert api.post(APPLY, {"workload_names": ["pump"]}).status == 200
                assert [order.names for order in orders.recent(box.ledger)] == [("pump",)]
        finally:
            box.close()


@pytest.mark.parametrize("now", [0.0, 3600.0, 1 << 34], ids=["1970", "an hour later", "2514"])
def test_with_a_wrong_clock_people_log_in_and_work(box, api, now):
    early = api.as_level(Level.OPERATE)
    api.services.authenticator._clock = lambda: now
    box.clock = lambda: "1970-01-01T00:00:00.000000Z" if now < 1e9 else "2514-05-30T01:53:04.000000Z"
    assert api.ask("GET", LIST, token=early).status == (200 if now < 1e9 else 401), "a clock that was set back ends no token"
    answer = api.login("operate", PASSWORD)
    token = answer.json["access_token"]
    assert answer.json["expires_in"] > 3600
    assert api.ask("GET", LIST, token=token).status == 200
    assert api.ask("POST", APPLY, token=token, body={"workload_names": ["pump"]}).status == 200
    assert api.ask("GET", "/api/v4/workloads/fan/stop", token=token).status == 200
    box.turn()
    assert box.states()["pump"] == ("running", None)
    assert box.states()["fan"][0] == "stopped"
    assert api.ask("GET", "/metrics").status == 200
    assert api.ask("GET", "/edge/v1/history", token=token).status == 200
