"""Connections that say nothing, little or too much: closed in time, and never in the way of a real request."""

import asyncio
import contextlib
import resource
import signal
import socket
import ssl
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import uvicorn

from kelvin_provision.api import server as api_server
from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.api.network.credentials import Credentials
from kelvin_provision.api.network.protocol import DeadlineProtocol
from kelvin_provision.api.network.protocol import serving as serving_class
from kelvin_provision.api.network.underway import Underway
from kelvin_provision.serving.addresses import listening
from kelvin_provision.serving.bounds import PIECE
from kelvin_provision.serving.clients import PER_CLIENT, client_of
from kelvin_provision.serving.connections import Connections
from kelvin_provision.settings.model import ApiSettings
from kelvin_provision.tls import files
from kelvin_provision.tls.x509 import pem_of_der
from kelvin_provision.usecases.api_certificate import ApiCertificate
from tests.kit.api import Client, serving
from tests.kit.api_process import ApiProcess, environment
from tests.kit.certificates import give_certificate
from tests.kit.waiting import PATIENCE, ended, until

pytestmark = pytest.mark.slow

HEAD = b"POST /auth/realms/kelvin/logout HTTP/1.1\r\nHost: localhost\r\n"
QUICK = {"head": 0.4, "body": 0.6, "stuck": 0.5}


@pytest.fixture(params=[False, True], ids=["http", "https"])
def secure(request):
    return request.param


@pytest.fixture
def hurried(box, secure):
    """Deadlines of half a second, and eight connections."""
    box.settings = type(box.settings)(**vars(box.settings) | {"api": ApiSettings(connections=8)})
    with serving(box, secure=secure, **QUICK) as client:
        yield client


def silent(client):
    """With TLS, it has not even begun its handshake."""
    return contextlib.closing(socket.create_connection(("127.0.0.1", client.port), timeout=PATIENCE))


def opened(client):
    """One over which HTTP can be spoken."""
    plain = socket.create_connection(("127.0.0.1", client.port), timeout=PATIENCE)
    return contextlib.closing(client.tls.wrap_socket(plain, server_hostname="127.0.0.1") if client.tls else plain)


def closes_within(connection, seconds):
    """Whether the other side closes it in this time; what it sends before is ignored."""
    connection.settimeout(seconds)
    with contextlib.suppress(ConnectionResetError, ssl.SSLEOFError):
        try:
            while connection.recv(65536):
                pass
        except TimeoutError:
            return False
    return True


def trickle(connection, parts, pause=0.1):
    """Send them with pauses, as long as the other side takes them; how many those were."""
    count = 0
    with contextlib.suppress(OSError):
        for part in parts:
            connection.sendall(part)
            count += 1
            time.sleep(pause)
    return count


def test_a_silent_connection_is_closed(hurried):
    began = time.monotonic()
    with silent(hurried) as connection:
        assert closes_within(connection, PATIENCE)
        assert time.monotonic() - began >= QUICK["head"], "it had its time"


def test_a_connection_that_is_silent_after_its_handshake_is_closed(box):
    with serving(box, secure=True, **QUICK) as client, opened(client) as connection:
        assert closes_within(connection, PATIENCE)


def test_a_handshake_that_trickles_is_closed(box):
    """The first flight of a client, a byte at a time."""
    flight = ssl.MemoryBIO()
    with serving(box, secure=True, **QUICK) as client, silent(client) as connection:
        with contextlib.suppress(ssl.SSLWantReadError):
            client.tls.wrap_bio(ssl.MemoryBIO(), flight, server_hostname="127.0.0.1").do_handshake()
        hello = flight.read()
        trickle(connection, [hello[at : at + 1] for at in range(12)])
        assert closes_within(connection, PATIENCE)


def test_a_head_that_trickles_is_closed_however_busy_it_looks(hurried):
    with opened(hurried) as connection:
        taken = trickle(connection, [HEAD] + [b"X-Y: z\r\n"] * 300)
        assert closes_within(connection, PATIENCE)
        assert taken < 300


def test_a_body_that_trickles_is_closed(hurried):
    with opened(hurried) as connection:
        trickle(connection, [HEAD + b"Content-Length: 1000\r\n\r\n"] + [b"a"] * 20)
        assert closes_within(connection, PATIENCE)


def test_the_head_of_a_second_request_has_a_deadline_of_its_own(hurried):
    with opened(hurried) as connection:
        for _ in range(2):
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            received = b""
            while not received.endswith(b"\r\n\r\nok\n"):
                received += connection.recv(65536)
            time.sleep(0.6)  # a pause between two requests is no offence
        connection.sendall(b"GET /healthz HT")
        assert closes_within(connection, PATIENCE)


MEGABYTE = b"x" * (1 << 20)


async def in_parts(_scope, _receive, send):
    """32 MiB: more than the kernel takes for a client that does not read."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(32):
        await send({"type": "http.response.body", "body": MEGABYTE, "more_body": True})
    await send({"type": "http.response.body"})


async def as_a_whole(_scope, _receive, send):
    """As our answers are sent: uvicorn is done with it at once, and closes the connection long before it was read."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % (32 << 20))]})
    await send({"type": "http.response.body", "body": MEGABYTE * 32})


@contextlib.contextmanager
def sending(answer, folder, *, secure, deadlines=QUICK):
    """A server of this answer; yields a client, and the table of its connections. `deadlines` that are not named are those of the program."""
    give_certificate(folder)
    chain, authority = files.issued(folder), files.authority(folder)
    listeners, ready, table = listening(["127.0.0.1:0"]), threading.Event(), Connections(8)
    options = {"ws": "none", "lifespan": "off", "log_config": None, "access_log": False, "timeout_keep_alive": 0.2}
    server = api_server.QuietServer(uvicorn.Config(answer, http=serving_class(table, **deadlines), **options), table, **deadlines)

    async def run():
        credentials = Credentials(ApiCertificate(chain, authority, ()))
        await server.listen([replace(each, secure=secure) for each in listeners], credentials, lambda _: ready.set())

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        assert ready.wait(PATIENCE)
        port = listeners[0].socket.getsockname()[1]
        yield Client(port, pem_of_der(authority.leaf.der).decode() if secure else None), table
    finally:
        server.force_exit = True
        server.stop()
        ended(thread)
        listeners[0].socket.close()


@pytest.mark.parametrize("more", [b"", b"Connection: close\r\n"], ids=["kept alive", "closed"])
@pytest.mark.parametrize("answer", [in_parts, as_a_whole])
def test_a_client_that_reads_no_answer_is_closed(answer, more, secure, tmp_path):
    with sending(answer, tmp_path, secure=secure) as (client, table), opened(client) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n" + more + b"\r\n")
        until(lambda: len(table) == 1)
        until(lambda: len(table) == 0)
        received = 0
        with contextlib.suppress(ConnectionResetError, ssl.SSLEOFError):
            while part := connection.recv(1 << 20):
                received += len(part)
        assert received < 32 << 20, "it was cut off in the middle"


def test_a_client_that_reads_slowly_gets_all_of_its_answer(secure, tmp_path):
    """Four times as long as one that reads nothing is waited for."""
    with sending(as_a_whole, tmp_path, secure=secure, deadlines=QUICK | {"stuck": 1.0}) as (client, _), opened(client) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        received, pauses, began = 0, 0, time.monotonic()
        while part := connection.recv(1 << 20):
            received += len(part)
            if time.monotonic() - began < 4 and received > pauses << 20:  # TLS gives 16 KiB at once
                pauses += 1
                time.sleep(0.1)
        assert received > 32 << 20


def test_what_is_sent_at_once_is_read_in_pieces(monkeypatch, secure, tmp_path):
    """A chunk of one byte takes 20 us: a read of asyncio has 40,000 of them, and no other client was answered meanwhile."""
    sizes = []
    received = DeadlineProtocol.data_received
    monkeypatch.setattr(DeadlineProtocol, "data_received", lambda self, data: (sizes.append(len(data)), received(self, data)))
    with sending(as_a_whole, tmp_path, secure=secure, deadlines={}) as (client, _), opened(client) as connection:
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 10_000)
        until(lambda: sum(sizes) > 50_000)
    assert max(sizes) <= PIECE * (2 if secure else 1), "TLS: the beginning of a record came with the read before"


def test_five_hundred_silent_connections_keep_no_request_out(hurried):
    token = hurried.as_level("read")
    with contextlib.ExitStack() as stack:
        for number in range(500):
            stack.enter_context(silent(hurried))
            if number % 100 == 99:
                assert hurried.ask("GET", "/api/v4/workloads/list", token=token).status == 200


def test_slow_bodies_give_way_to_whole_requests(hurried):
    with contextlib.ExitStack() as stack:
        for _ in range(8):
            connection = stack.enter_context(opened(hurried))
            connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n")
        time.sleep(0.05)
        assert hurried.ask("GET", "/healthz").status == 200


def test_a_client_that_hangs_up_in_the_middle_disturbs_nothing(hurried):
    for data in (b"", b"GET /he", HEAD + b"Content-Length: 10\r\n\r\nab", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"):
        for _ in range(5):
            with opened(hurried) as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                connection.sendall(data)
    assert hurried.ask("GET", "/healthz").status == 200


def hang_up(client, data, times):
    """Ask and leave at once, again and again."""
    for _ in range(times):
        with opened(client) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.sendall(data)
            time.sleep(0.002)


def test_what_clients_have_asked_for_that_hang_up_is_bounded(hurried):
    """Their connections are free again, but what they asked for waits for the ledger."""
    token, go, begun = hurried.as_level("read"), threading.Event(), threading.Event()
    box = hurried.services.box
    box._thread.submit(lambda: (begun.set(), go.wait(PATIENCE)))
    assert begun.wait(PATIENCE)
    try:
        hang_up(hurried, f"GET /edge/v1/agent HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode(), 60)
        assert box._thread._work_queue.qsize() <= 8
        answer = hurried.ask("GET", "/healthz")
        assert (answer.status, answer.error["name"], answer.headers["connection"]) == (503, "too-many-requests", "close")
        assert answer.error["description"] == "8 requests are under way, which is the limit"
    finally:
        go.set()
    until(lambda: hurried.ask("GET", "/healthz").status == 200)
    assert hurried.ask("GET", "/edge/v1/agent", token=token).status == 200


def test_one_client_cannot_have_all_requests_under_way():
    underway = Underway(64)
    with contextlib.ExitStack() as stack:
        for number in range(PER_CLIENT):
            stack.enter_context(underway.one_more(f"2001:db8::{number:x}"))
        with pytest.raises(Refusal, match=f"{PER_CLIENT} requests of 2001:db8::/64 are under way"), underway.one_more("2001:db8::ffff"):
            pass
        for _ in range(64 - PER_CLIENT):
            stack.enter_context(underway.one_more("127.0.0.1"))
        with pytest.raises(Refusal, match="64 requests are under way"), underway.one_more("192.0.2.7"):
            pass
    assert (len(underway), underway._counts) == (0, {})


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::7", "2001:db8::/64"),
        ("2001:db8::7%eth0", "2001:db8::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::1", "::1"),
        ("", ""),
    ],
)
def test_a_client_is_an_address_or_the_network_of_a_subscriber(address, client):
    assert client_of(address) == client


def test_a_box_without_descriptors_is_served_again_later_and_says_so_once(tmp_path):
    """EMFILE at the listener: asyncio tries again each second, and would say so 128 times each."""
    api = ApiProcess(tmp_path / "state", environment(tmp_path), tmp_path)
    try:
        assert api.client.ask("GET", "/healthz").status == 200
        _, hard = resource.prlimit(api.process.pid, resource.RLIMIT_NOFILE)
        highest = max(int(path.name) for path in Path(f"/proc/{api.process.pid}/fd").iterdir())
        resource.prlimit(api.process.pid, resource.RLIMIT_NOFILE, (highest + 4, hard))
        with contextlib.ExitStack() as stack:
            for _ in range(20):
                stack.enter_context(silent(api.client))
            time.sleep(2.5)
        assert api.client.ask("GET", "/healthz").status == 200
    finally:
        api.process.send_signal(signal.SIGTERM)
        said = api.process.stderr.read()
        assert api.end() == 0
    assert said == "connections wait: too many open files\n"


class Stub:
    """A connection of the table: `is_idle`, `is_receiving` or busy."""

    def __init__(self, address, state="busy"):
        self.address = address
        self.is_idle, self.is_receiving = state == "idle", state == "receiving"
        self.dropped = False

    def drop(self):
        self.dropped = True


def test_one_address_cannot_have_all_connections():
    table = Connections(64)
    busy = [Stub("192.0.2.7") for _ in range(PER_CLIENT + 1)]
    assert [table.admit(connection) for connection in busy] == [True] * PER_CLIENT + [False]
    assert table.admit(Stub("192.0.2.8"))
    assert len(table) == PER_CLIENT + 1


def test_clients_on_this_box_may_have_all_of_them():
    table = Connections(40)
    assert [table.admit(Stub("127.0.0.1")) for _ in range(41)] == [True] * 40 + [False]


def test_what_waits_gives_way_first_and_the_oldest_of_it():
    table = Connections(8)
    busy, receiving, idle = Stub("127.0.0.1"), Stub("127.0.0.1", "receiving"), [Stub("127.0.0.1", "idle") for _ in range(6)]
    for connection in (busy, receiving, *idle):
        assert table.admit(connection)
    for _ in range(7):
        assert table.admit(Stub("127.0.0.1"))
    assert [connection.dropped for connection in (busy, receiving, *idle)] == [False, True, True, True, True, True, True, True]
    assert not table.admit(Stub("127.0.0.1"))
    table.remove(busy)
    assert table.admit(Stub("127.0.0.1"))
