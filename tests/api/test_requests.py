"""What is wrong with a request is said in one form, whatever it is; nothing of it is a 5xx."""

import contextlib
import http.client
import json
import socket
import time

import pytest

from kelvin_provision.access.levels import Level
from kelvin_provision.api.messages.body import DEEPEST, LARGEST
from tests.kit.waiting import PATIENCE

pytestmark = pytest.mark.slow

APPLY = "/api/v4/workloads/apply"
LIST = "/api/v4/workloads/list"


def raw(port, data, *, wait=5.0):
    """What the server sends for these bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout=wait) as connection:
        connection.sendall(data)
        received = b""
        with contextlib.suppress(TimeoutError):
            while part := connection.recv(65536):
                received += part
    return received


# --- host -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:30000", "[::1]:30000", "localhost", "LOCALHOST:1", "192.0.2.7", "localhost."])
def test_addresses_and_own_names_are_accepted(quiet, host):
    assert quiet.ask("GET", "/healthz", host=host).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "localhost:x", "::1", "[fe80::1%25eth0]", "", "127.1"]
)
def test_any_other_name_is_421(quiet, host):
    answer = quiet.ask("GET", "/healthz", host=host or " ")
    assert (answer.status, answer.error["name"]) == (421, "host-refused")


def test_the_name_of_this_box_is_accepted(quiet):
    assert quiet.ask("GET", "/healthz", host=socket.gethostname()).status == 200


def test_two_hosts_or_none_are_refused(quiet):
    assert raw(quiet.port, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\nConnection: close\r\n\r\n").startswith(
        b"HTTP/1.1 400 "
    )
    assert raw(quiet.port, b"GET /healthz HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 421 ")


def test_metadata_names_the_host_that_was_asked_for(quiet):
    document = quiet.ask("GET", "/metadata", host="192.0.2.7:30000").json
    assert document["authentication"] == {
        "url": "http://192.0.2.7:30000", "realm": "kelvin", "path": "auth",
        "logout_path": "/auth/realms/kelvin/protocol/openid-connect/logout",
    }  # fmt: skip
    assert set(document) == {"api", "authentication", "docker", "documentation", "sdk", "schema"}


# --- paths and methods ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["/uix", "/api", "/api/v4/workloads", "/api/v4/workloads/", f"{LIST}/", "/API/v4/workloads/list", "//api/v4/workloads/list", "/leader/status",
     "/api/v4/workloads/a/b/get", "/api/v4/workloads/../workloads/list", "/%00", "/api/v4/workloads//get", "/api/v4/workloads/a%2Fb/get", "/docs"],
)  # fmt: skip
def test_an_unknown_path_is_404(quiet, path):
    answer = quiet.get(path)
    assert (answer.status, answer.error["name"]) == (404, "route-unknown")


@pytest.mark.parametrize("name", ["absent", "a%0Ab", "%F0%9F%92%A9", "x" * 3000, "a'%20OR%201=1", "%00"])
def test_an_unknown_workload_is_404_whatever_its_name(quiet, name):
    for level, path in ((Level.READ, "get"), (Level.OPERATE, "start"), (Level.OPERATE, "stop"), (Level.DEPLOY, "download")):
        answer = quiet.get(f"/api/v4/workloads/{name}/{path}", level)
        assert (answer.status, answer.error["name"]) == (404, "workload-unknown"), path


def test_a_misspelt_workload_leads_to_the_closest_one(quiet):
    error = quiet.get("/api/v4/workloads/pmup/get").error
    assert error["solution"] == "the closest name is pump: kelvin-provision workloads show -n pump"


@pytest.mark.parametrize("path", ["/api/v4/workloads/pump/get?live=true", "/api/v4/workloads/pump/undeploy?stagd=true"])
def test_an_unknown_parameter_is_named(quiet, path):
    answer = quiet.post(path) if "undeploy" in path else quiet.get(path)
    assert (answer.status, answer.error["name"]) == (400, "bad-query")
    assert (
        "unknown parameter 'live'; this route has none" in answer.error["description"]
        or "did you mean staged?" in answer.error["description"]
    )


def test_a_long_query_is_refused_before_it_is_read(quiet):
    answer = quiet.get(f"{LIST}?search={'x' * 9000}")
    assert (answer.status, answer.error["name"]) == (414, "query-too-long")


def test_no_answer_names_a_version_or_allows_another_origin(quiet):
    for answer in (quiet.get(LIST, headers={"Origin": "http://evil.example"}), quiet.get("/nowhere"), quiet.ask("GET", "/healthz")):
        assert "server" not in answer.headers
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] in {"no-store", "no-cache, private"}


def test_a_cookie_counts_for_nothing(quiet):
    assert quiet.get(LIST, None, headers={"Cookie": f"kp={quiet.as_level(Level.ADMIN)}"}).status == 401


# --- bodies ---------------------------------------------------------------------------------------

DEEP = b"[" * 20_000 + b"]" * 20_000


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "the body is not JSON: line 1"),
        (b"\xff{}", "the body is not UTF-8: invalid byte at 0"),
        (b"[]", "the body is not a JSON object, but a list"),
        (b"null", "but null"),
        (b"7", "but a number"),
        (b'"x"', "but text"),
        (b"true", "but true or false"),
        (b'{"workload_names": ["a"], "workload_names": ["b"]}', "duplicate key 'workload_names'"),
        (b'{"workload_names": NaN}', "NaN is not JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "the body is not accepted"),
        (b'{"a": 1e999}', "1e999 is not a finite number"),
        (b'{"workload_names": ["\\ud800"]}', "a NUL or an unpaired surrogate"),
        (b'{"workload_names": ["pump\\u0000"]}', "a NUL or an unpaired surrogate"),
        (b'{"\\uDFFF": [{}]}', "a NUL or an unpaired surrogate"),
        (b'{"\\\\u0000": "\\ud83d\\ude00"}', "unknown key"),
        (b'{"a": [' + b"[]," * 200 + b"{}]}", "unknown key 'a'"),
        (b"[" * DEEPEST + b"]" * DEEPEST, "but a list"),
        (b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1), "nested too deeply"),
        (DEEP, f"nested too deeply; the limit is {DEEPEST} levels"),
        (b'{"a": "' + b"[" * 100 + b'\\"", "workload_names": 3}', "unknown key 'a'"),
        (b'{"workload_name": ["a"]}', "unknown key 'workload_name'; accepted is workload_names"),
        (b"", "the body names no workloads"),
        (b"{}", "the body names no workloads"),
        (b'{"workload_names": null}', "the body names no workloads"),
        (b'{"workload_names": []}', "the body names no workloads"),
        (b'{"workload_names": "pump"}', "the body names no workloads"),
        (b'{"workload_names": [7]}', "the body names no workloads"),
        (b'{"workload_names": [""]}', "the body names no workloads"),
        (json.dumps({"workload_names": [f"w{number}" for number in range(101)]}).encode(), "101 names; the limit is 100"),
    ],
)
def test_a_body_that_cannot_be_used_is_400_and_says_why(quiet, body, said):
    answer = quiet.post(APPLY, body)
    assert (answer.status, answer.error["name"]) == (400, "bad-body")
    assert said in answer.error["description"]


@pytest.mark.parametrize(
    "body",
    [
        b"{" + b",".join(b'"k%d":0' % number for number in range(90_000)) + b',"k89999":1}',
        b'{"' + b"workload_names" * 70_000 + b'": 1}',
        b'{"workload_names": ["' + b"pump" * 250_000 + b'"]}',
    ],
    ids=["a key twice among many", "a long key", "a long name"],
)
def test_a_body_that_is_made_to_be_slow_holds_up_nobody(quiet, body):
    quiet.as_level(Level.ADMIN)
    began = time.monotonic()
    assert quiet.post(APPLY, body).status in {400, 404}
    assert time.monotonic() - began < PATIENCE, "with each key compared to all others it is minutes"


@pytest.mark.parametrize("path", ["/api/v4/workloads/fan/configurations/update", "/api/v4/apps/workloads/fan/patch"])
@pytest.mark.parametrize("value", [b'"\\ud800"', b"1e999", b'"\\u0000"', b'{"\\ud800": 1}', b"1" + b"0" * 400])
def test_a_value_that_the_ledger_cannot_store_never_comes_there(quiet, path, value):
    """A revision with one would be a damaged row, and its workload could not be read."""
    body = b'{"configuration": {"a": %s}}' if "update" in path else b'{"runtime": {"configuration": {"a": %s}}}'
    answer = quiet.post(path, body % value)
    assert (answer.status, answer.error["name"]) in {(400, "bad-body"), (400, "request-refused")}
    assert quiet.get("/api/v4/workloads/fan/get").status == 200


def test_a_reason_with_half_a_character_is_refused(quiet):
    answer = quiet.post("/edge/v1/workloads/fan/hold", b'{"reason": "\\ud800"}')
    assert (answer.status, answer.error["name"]) == (400, "bad-body")


def test_the_call_of_the_platform_s_own_page_is_answered_with_the_right_one(quiet):
    """`apply_workload(workload_name="x")` of the published client posts null."""
    solution = quiet.post(APPLY, {"workload_names": None}).error["solution"]
    assert 'apply_workload(workload_names=["NAME"])' in solution


def test_a_large_body_is_refused_by_what_it_declares_and_by_what_it_sends(quiet):
    for size in (LARGEST + 1, 20 * LARGEST):
        answer = quiet.post(APPLY, b"x" * size)
        assert (answer.status, answer.error["name"]) == (413, "body-too-large"), "the client has sent all of it and reads the answer"
    token = quiet.as_level(Level.ADMIN)
    head = f"POST {APPLY} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    assert b" 413 " in raw(quiet.port, head + chunk * 17 + b"0\r\n\r\n", wait=1.0).partition(b"\r\n")[0]


# --- what is no HTTP ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET\r\n\r\n", b"GET / HTTP/9\r\n\r\n", b"x" * 100 + b"\r\n\r\n"]
)
def test_what_is_no_http_gets_one_answer_and_the_end(quiet, data):
    received = raw(quiet.port, data + b"\r\n\r\n")
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["errors"][0]["name"] == "bad-http"


def test_a_head_without_end_is_cut_off(quiet):
    received = raw(quiet.port, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 3_000)
    assert received.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("more", [b"X: " + b"a" * 17_000, b"X: y\r\n" * 4_000 + b"Z: z"])
def test_a_long_head_is_refused_also_where_all_of_it_comes_at_once(quiet, more):
    received = raw(quiet.port, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + more + b"\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 400 ")
    assert b"bad-http" in received


def test_a_body_with_two_lengths_is_refused_and_nothing_after_it_is_read(quiet):
    head = b"POST /auth/realms/kelvin/logout HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
    received = raw(quiet.port, head + b"0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 400 ")
    assert received.count(b"HTTP/1.1 ") - received.count(b"valid HTTP/1.1") == 1


def test_a_connection_serves_many_requests_and_pipelined_ones(quiet):
    connection = http.client.HTTPConnection("127.0.0.1", quiet.port, timeout=PATIENCE)
    with contextlib.closing(connection):
        assert [quiet.ask("GET", "/healthz", connection=connection).status for _ in range(3)] == [200, 200, 200]
    one = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert raw(quiet.port, one * 2 + one.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")).count(b"HTTP/1.1 200 OK") == 3


def test_answers_on_one_connection_do_not_wait_for_each_other(quiet):
    """Head and body are two writes: without TCP_NODELAY the second waits 40 ms for the client's kernel."""
    connection = http.client.HTTPConnection("127.0.0.1", quiet.port, timeout=PATIENCE)
    times = []
    with contextlib.closing(connection):
        for _ in range(20):
            began = time.monotonic()
            quiet.ask("GET", "/metadata", connection=connection)
            times.append(time.monotonic() - began)
    assert sorted(times)[2] < 0.03, "all but the first would wait"


def test_a_ledger_that_was_replaced_is_said_to_be_so(box, api):
    assert api.ask("GET", "/healthz").status == 200
    box.close()
    path = box.settings.state_dir / "ledger.db"
    path.rename(path.with_name("kept.db"))
    time.sleep(1.1)
    for target in ("/healthz", LIST):
        answer = api.get(target)
        assert (answer.status, answer.error["name"]) == (503, "cannot-write")
        assert answer.error["description"] == f"{path} was removed or replaced while the API was using it"
