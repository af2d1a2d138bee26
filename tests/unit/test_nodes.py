"""Leader and members over real TLS: joining, what each is told, blobs from leader and peers, and those who ask for what is not theirs."""

import asyncio
import json
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace

import pytest

from kelvin_provision import timestamps
from kelvin_provision.errors import JoinRefused, LeaderUnreachable, NodeForeign, NoSpace, RegistryUnreachable, StateDamaged, UsageRefused
from kelvin_provision.ledger.nodes import membership, reports
from kelvin_provision.ledger.nodes.model import NodeImageState
from kelvin_provision.ledger.nodes.reading import node, node_images, nodes
from kelvin_provision.nodes.admission import RenewRequest
from kelvin_provision.nodes.client.joining import Itself, Token, join, renew
from kelvin_provision.nodes.client.link import Address
from kelvin_provision.nodes.client.links import RemoteLinks
from kelvin_provision.nodes.client.peers import PeerBlobs
from kelvin_provision.nodes.keys import files, making
from kelvin_provision.nodes.keys.contexts import client_context, joining_context, server_context
from kelvin_provision.nodes.protocol import LEADER, Report, Wanted, WantedImage
from kelvin_provision.nodes.serving.server import UNSENT, listeners
from kelvin_provision.nodes.sources import Candidate, sources_of
from kelvin_provision.serving.connections import Connections
from kelvin_provision.serving.http import HttpProtocol
from kelvin_provision.serving.messages import Answer
from kelvin_provision.settings.model import Settings
from kelvin_provision.tls.x509 import pem_of_der
from tests.kit.images import random_image
from tests.kit.locks import AMD64, lock_of
from tests.kit.sites import LOOPBACK, Leader, Member, ask
from tests.kit.waiting import PATIENCE, ended, until

IMAGE = random_image([300_000, 100])
LOCK = lock_of(IMAGE, "r.io/pump:1")
BLOB = max(LOCK.layers, key=lambda layer: layer.size)
PATH = f"/v2/pump/blobs/{BLOB.digest}"
LAYER = IMAGE.blobs[BLOB.digest]


def test_what_is_sent_to_a_node_is_not_heaped_up_in_the_kernel(tmp_path):
    opened = listeners(Settings(state_dir=tmp_path, nodes=LOOPBACK))
    assert [each.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) for each in opened] == [UNSENT]
    with closing(opened[0].socket) as waiting, closing(socket.create_connection(waiting.getsockname())):
        waiting.settimeout(60)
        with closing(waiting.accept()[0]) as connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == UNSENT


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A leader with an image, and two members."""
    folder = tmp_path_factory.mktemp("site")
    with ExitStack() as stack:
        leader = Leader(folder / "leader")
        stack.callback(leader.close)
        leader.keep(IMAGE, LOCK)
        members = [Member(leader, folder / name, name) for name in ("node-b", "node-c")]
        for member in members:
            stack.callback(member.close)
        yield leader, *members


@pytest.fixture
def hasty(tmp_path):
    """A leader with timeouts of seconds, for the tests of timeouts only: on a busy machine it would cut off honest clients, too."""
    with closing(Leader(tmp_path / "hasty", limits={"head": 3.0, "body": 1.0, "stuck": 1.0})) as leader:
        yield leader


@pytest.fixture
def leader(site):
    return site[0]


@pytest.fixture
def member(site):
    return site[1]


# --- joining --------------------------------------------------------------------------------------


def test_a_token_serves_one_node(leader, tmp_path):
    token = leader.token()
    joined = join(tmp_path / "d", leader.url, token, Itself("node-d", AMD64, "node-d", ""))
    assert files.membership(tmp_path / "d") == joined
    assert (tmp_path / "d" / "nodes" / "node.pem").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "d").stat().st_mode & 0o777 == 0o700
    assert token.secret not in "".join(path.read_text() for path in (tmp_path / "d" / "nodes").iterdir())
    with pytest.raises(JoinRefused, match="the token was used"):
        join(tmp_path / "e", leader.url, token, Itself("node-e", AMD64, "", ""))
    assert node(leader.ctx.ledger, "node-e") is None
    membership.remove(leader.ctx.ledger, "node-d", actor="anna")


def test_an_expired_token_and_one_of_another_leader_admit_none(leader, tmp_path):
    old = leader.token(made="2026-01-01T00:00:00Z", expires="2026-01-01T00:15:00Z")
    with pytest.raises(JoinRefused, match="has expired"):
        join(tmp_path / "e", leader.url, old, Itself("node-e", AMD64, "", ""))
    with pytest.raises(JoinRefused, match="not one of this leader"):
        join(tmp_path / "e", leader.url, replace(old, secret="0" * 64), Itself("node-e", AMD64, "", ""))
    with pytest.raises(NodeForeign, match="is not the leader that made the token"):
        join(tmp_path / "e", leader.url, replace(old, authority="0" * 64), Itself("node-e", AMD64, "", ""))
    with pytest.raises(UsageRefused, match="not a token"):
        Token.parse("kn1.x")
    assert Token.parse(old.text) == old


def test_a_node_that_was_killed_before_it_had_the_answer_joins_with_the_same_token(leader, tmp_path, monkeypatch):
    token, itself = leader.token(), Itself("node-d", AMD64, "", "")

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("kelvin_provision.nodes.client.joining.write_pair", killed)
    with pytest.raises(KeyboardInterrupt):
        join(tmp_path, leader.url, token, itself)
    key = node(leader.ctx.ledger, "node-d").key
    monkeypatch.undo()
    join(tmp_path, leader.url, token, itself)
    assert node(leader.ctx.ledger, "node-d").key == key
    links = RemoteLinks(replace(leader.box.settings, state_dir=tmp_path), files.membership(tmp_path))
    assert links.leader.wanted_after("", 0).names
    links.close()
    membership.remove(leader.ctx.ledger, "node-d", actor="anna")


def test_a_name_of_a_member_that_is_there_is_not_taken(leader, tmp_path):
    with pytest.raises(JoinRefused, match="another member has this name"):
        join(tmp_path, leader.url, leader.token(), Itself("node-b", AMD64, "", ""))


def test_a_request_for_a_certificate_that_is_none_is_refused_and_uses_no_token(leader):
    token = leader.token()
    document = {"token": token.secret, "name": "node-e", "request": "-----BEGIN X\n", "platform": "linux/amd64", "cluster_node": ""}
    body = json.dumps({**document, "version": "1", "address": ""}).encode()
    context = joining_context(making.certificate_of(leader.authority))
    assert ask(leader.port, context, "POST", "/nodes/v1/join", body=body)[0] == 403
    assert node(leader.ctx.ledger, "node-e") is None


def test_a_member_gets_another_key_and_the_earlier_one_ends_with_its_use(leader, tmp_path):
    joined = join(tmp_path, leader.url, leader.token(), Itself("node-d", AMD64, "", ""))
    settings = replace(leader.box.settings, state_dir=tmp_path)
    links, chain = RemoteLinks(settings, joined), files.own_chain(tmp_path)
    before, old = node(leader.ctx.ledger, "node-d").key, chain.path.read_bytes()
    assert not links.renew_if_due(leader.ctx.now)
    renew(tmp_path, links.leader, joined, pem_of_der(chain.certificates[-1].der))
    links.leader.wanted_after("", 0)  # on the connection that is open still, with the earlier key
    links.close()
    links.leader.wanted_after("", 0)
    assert node(leader.ctx.ledger, "node-d").key != before
    leader.routes._certified["node-d"] = time.monotonic() + 1000
    with pytest.raises(LeaderUnreachable, match="503"):  # each takes a process of the leader, for which all others wait
        links.leader.renew(RenewRequest("-----BEGIN\n"))
    chain.path.write_bytes(old)
    links.close()
    with pytest.raises(NodeForeign, match="knows no member with this key"):
        links.leader.wanted_after("", 0)
    membership.remove(leader.ctx.ledger, "node-d", actor="anna")


# --- what a member is told, and says --------------------------------------------------------------


def test_a_member_is_told_what_it_shall_have_and_hears_of_changes(leader, member):
    document = member.document()
    assert document.names == {LOCK.name}
    assert [peer.name for peer in document.peers] == ["node-c"]
    assert member.links.leader.wanted_after(document.version, 0) is None
    other = lock_of(random_image([10]), "r.io/fan:1")
    heard = []
    thread = threading.Thread(target=lambda: heard.append(member.links.leader.wanted_after(document.version, 30)))
    thread.start()
    leader.want(other)
    ended(thread)
    assert heard[0].names == {LOCK.name, other.name}
    leader.locks.remove(other)
    leader.want()


def test_a_report_is_kept_and_a_silent_member_is_away(leader, member):
    member.report(LOCK)
    (image,) = node_images(leader.ctx.ledger, node="node-b")
    assert (image.image, image.state, image.bytes) == (LOCK.name, NodeImageState.HERE, LOCK.size)
    leader.routes.present["node-b"] -= 1000
    leader.routes._note_silent(time.monotonic())
    assert node(leader.ctx.ledger, "node-b").away is not None
    member.report(LOCK)
    assert node(leader.ctx.ledger, "node-b").away is None
    member.report()


def test_a_removed_member_and_a_foreign_key_are_refused(leader, tmp_path):
    joined = join(tmp_path / "d", leader.url, leader.token(), Itself("node-d", AMD64, "", ""))
    links = RemoteLinks(replace(leader.box.settings, state_dir=tmp_path / "d"), joined)
    assert links.leader.wanted_after("", 0)
    membership.remove(leader.ctx.ledger, "node-d", actor="anna")
    with pytest.raises(NodeForeign):
        links.leader.wanted_after("", 0)
    with pytest.raises(NodeForeign, match="knows no member with this key"):
        links.leader.report(Report("", (), AMD64, "node-d", "1.0"))
    making.lead(tmp_path / "other", leader.ctx.now)
    foreign = RemoteLinks(replace(leader.box.settings, state_dir=tmp_path / "other"), joined)
    with pytest.raises(NodeForeign, match="is not of this site"):
        foreign.leader.wanted_after("", 0)


def test_a_member_that_is_removed_gets_no_more_of_what_is_being_sent(tmp_path):
    lock = lock_of(random_image([100_000]), "r.io/arriving:1")
    (layer,) = lock.layers
    with closing(Leader(tmp_path / "leader", stalled=600.0, check=0.0)) as leader:
        leader.want(lock)
        joined = join(tmp_path / "d", leader.url, leader.token(), Itself("node-d", AMD64, "", ""))
        links = RemoteLinks(replace(leader.box.settings, state_dir=tmp_path / "d"), joined)
        with leader.store.partial(layer) as partial:
            partial.write(b"x" * 10)
            with links._link_to_leader().stream(f"/v2/arriving/blobs/{layer.digest}", {}, 100) as (status, _, chunks):
                assert (status, next(chunks)) == (200, b"x" * 10)
                membership.remove(leader.ctx.ledger, "node-d", actor="anna")
                until(lambda: leader.blobs.streams == 0)


def test_what_a_member_says_of_images_that_it_shall_not_have_is_not_kept(leader, member):
    other = lock_of(random_image([10]), "r.io/other:1")
    member.report(LOCK, other)
    assert [image.image for image in node_images(leader.ctx.ledger, node="node-b")] == [LOCK.name]
    member.report()


def test_a_member_cannot_pass_for_its_leader(leader, site, tmp_path):
    impostor = site[2]
    links = RemoteLinks(site[1].settings, replace(site[1].membership, leader=f"https://{impostor.address}"))
    with pytest.raises(NodeForeign, match="Hostname mismatch"):
        links.leader.wanted_after("", 0)


def test_a_member_named_as_the_leader_cannot_pass_for_it(leader, tmp_path, monkeypatch):
    itself = Itself(files.LEADER_HOST, AMD64, "", "")
    with pytest.raises(JoinRefused, match="a name that no node has"):
        join(tmp_path / "d", leader.url, leader.token(), itself)
    monkeypatch.setattr(making, "LEADER_HOST", "another.name")  # of an earlier version, which gave it a certificate
    join(tmp_path / "e", leader.url, leader.token(), itself)
    authority = making.certificate_of(leader.authority)
    for context in (client_context(files.own_chain(tmp_path / "e"), leader=True), joining_context(authority)):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        other_in, other_out = ssl.MemoryBIO(), ssl.MemoryBIO()
        impostor = server_context(files.own_chain(tmp_path / "e")).wrap_bio(other_in, other_out, server_side=True)
        client = context.wrap_bio(incoming, outgoing, server_hostname=files.LEADER_HOST)
        with pytest.raises(ssl.SSLWantReadError):
            client.do_handshake()
        other_in.write(outgoing.read())
        with pytest.raises(ssl.SSLWantReadError):
            impostor.do_handshake()
        incoming.write(other_out.read())
        with pytest.raises(ssl.SSLCertVerificationError, match="ostname mismatch"):
            client.do_handshake()
    membership.remove(leader.ctx.ledger, files.LEADER_HOST, actor="anna")


def test_a_member_cannot_say_that_it_is_another_node_of_the_cluster(leader, member):
    said = Report("", (), AMD64, "node-c", "1.0", member.address)
    for name in ("node-c", ""):
        member.links.leader.report(replace(said, cluster_node=name))
        assert node(leader.ctx.ledger, "node-b").cluster_node == "node-b"


def test_no_leader_is_said_so(member):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        links = RemoteLinks(member.settings, replace(member.membership, leader=f"https://127.0.0.1:{silent.getsockname()[1]}"))
        with pytest.raises(LeaderUnreachable, match="connection refused"):
            links.leader.wanted_after("", 0)
    for text in ("http://x:1", "https://x", "ftp://x:1", "https://a@x:1", "https://x:1/y", "x:99999"):
        with pytest.raises(UsageRefused):
            Address.parse(text)


# --- blobs ----------------------------------------------------------------------------------------


def test_blobs_are_sent_whole_or_from_a_byte_on(leader, member):
    context = member.context()
    assert ask(leader.port, context, "GET", PATH) == (200, LAYER)
    assert ask(leader.port, context, "GET", PATH, headers={"Range": "bytes=7-9"}) == (206, LAYER[7:10])
    assert ask(leader.port, context, "GET", PATH, headers={"Range": f"bytes={len(LAYER) - 1}-"}) == (206, LAYER[-1:])
    assert ask(leader.port, context, "GET", PATH, headers={"Range": f"bytes={len(LAYER)}-"})[0] == 416
    assert ask(leader.port, context, "HEAD", PATH) == (200, b"")
    assert ask(leader.port, context, "GET", f"/v2/pump/manifests/{LOCK.manifest.digest}") == (200, IMAGE.manifest)


def test_a_member_gets_nothing_that_is_not_for_it(leader, member, site):
    other = random_image([50])
    secret = lock_of(other, "r.io/secret:1")
    for blob in secret.blobs():
        leader.store.put(blob, other.manifest if blob.digest == other.digest else other.blobs[blob.digest])
    context = member.context()
    for path in (
        f"/v2/secret/blobs/{secret.layers[0].digest}",
        "/v2/x/blobs/sha256:../../ledger.db",
        "/v2/",
        "/ledger.db",
        "/nodes/v1/other",
    ):
        assert ask(leader.port, context, "GET", path)[0] == 404
    anonymous = joining_context(making.certificate_of(leader.authority))
    for path in (PATH, "/nodes/v1/wanted"):
        assert ask(leader.port, anonymous, "GET", path)[0] == 401
    site[2].document()
    port = int(site[2].address.rpartition(":")[2])
    context.check_hostname = False
    assert ask(port, context, "GET", f"/v2/secret/blobs/{secret.layers[0].digest}")[0] == 404
    assert ask(port, context, "GET", "/nodes/v1/wanted")[0] == 404


def test_members_get_images_from_each_other_and_the_leader_sends_two(tmp_path):
    image = random_image([400_000])
    lock = lock_of(image, "r.io/pump:1")
    with ExitStack() as stack:
        leader = Leader(tmp_path / "leader")
        stack.callback(leader.close)
        members = [Member(leader, tmp_path / f"m{number}", f"node-{number}", starting=PATIENCE) for number in range(6)]
        for member in members:
            stack.callback(member.close)
        leader.keep(image, lock)
        documents = [member.document() for member in members]
        threads = [threading.Thread(target=member.fetch, args=(document,)) for member, document in zip(members, documents, strict=True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            ended(thread)
        assert all(member.store.has(blob) for member in members for blob in lock.blobs())
        assert leader.blobs.sent <= 2.2 * lock.size


def test_a_blob_is_sent_on_while_it_arrives_and_resumed_where_it_stopped(leader, site):
    first, second = site[1:]
    image = random_image([200_000])
    lock = lock_of(image, "r.io/slow:1")
    leader.keep(image, lock)
    documents = [first.document(), second.document()]
    blob, half = lock.layers[0], lock.layers[0].size // 2
    data = image.blobs[blob.digest]
    peer = replace(documents[1], images=tuple(replace(each, sources=("node-b", LEADER)) for each in documents[1].images))
    source, got = second.links.blobs(peer), bytearray()
    with first.store.partial(blob) as partial:
        partial.write(data[:half])
        with source.blob(lock.reference, blob, 0) as stream:
            chunks = iter(stream.chunks)
            while len(got) < half:
                got += next(chunks)
            assert bytes(got) == data[:half]
            partial.write(data[half:])
            partial.commit()
            for chunk in chunks:
                got += chunk
    assert bytes(got) == data
    with source.blob(lock.reference, blob, half) as stream:
        assert (stream.start, b"".join(stream.chunks)) == (half, data[half:])
    leader.locks.remove(lock)
    leader.want()


def test_a_peer_that_is_gone_or_sends_wrong_bytes_is_passed_over(leader, site):
    first, second = site[1:]
    documents = [first.document(), second.document()]
    peer = replace(documents[1], images=tuple(replace(each, sources=("node-b", LEADER)) for each in documents[1].images))
    path = first.store.path(BLOB)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * BLOB.size)
    source = second.links.blobs(peer)
    with source.blob(LOCK.reference, BLOB, 0) as stream:
        assert set(b"".join(stream.chunks)) == {ord("x")}
    with source.blob(LOCK.reference, BLOB, 0) as stream:  # it was wrong by its digest
        assert b"".join(stream.chunks) == LAYER
    path.unlink()
    with second.links.blobs(peer).blob(LOCK.reference, BLOB, 0) as stream:
        assert b"".join(stream.chunks) == LAYER
    gone = replace(peer, images=tuple(replace(each, sources=("node-b",)) for each in peer.images))
    with pytest.raises(RegistryUnreachable, match="no node has"), second.links.blobs(gone).blob(LOCK.reference, BLOB, 0):
        pass


class Drip:
    """A node that sends a byte every ten seconds."""

    def __init__(self, clock):
        self.clock = clock

    @contextmanager
    def stream(self, path, headers, chunk):
        size = BLOB.size - int(headers.get("Range", "bytes=0-")[6:].partition("-")[0])

        def chunks():
            for _ in range(size):
                self.clock[0] += 10
                yield b"x"

        yield 206 if headers else 200, {"content-length": str(size)}, chunks()


def test_a_peer_that_sends_next_to_nothing_is_passed_over_and_the_leader_is_not():
    clock = [0.0]
    document = Wanted("1", (WantedImage(LOCK, sources=("node-b", LEADER)),))
    source = PeerBlobs(document, lambda _: Drip(clock), None, clock=lambda: clock[0])
    with source.blob(LOCK.reference, BLOB, 0) as stream, pytest.raises(RegistryUnreachable, match="node-b sent only 3 bytes in 30 s"):
        list(stream.chunks)
    with source.blob(LOCK.reference, BLOB, 3) as stream:  # the leader has no one behind it
        assert len([next(stream.chunks) for _ in range(100)]) == 100
    limited = PeerBlobs(replace(document, rate=6), lambda _: Drip(clock), None, clock=lambda: clock[0])
    with limited.blob(LOCK.reference, BLOB, 0) as stream:
        assert len([next(stream.chunks) for _ in range(100)]) == 100


# --- hostile --------------------------------------------------------------------------------------


def raw(leader, context, data):
    """What comes back, until the server closes."""
    plain = socket.create_connection(("127.0.0.1", leader.port), PATIENCE)
    with context.wrap_socket(plain, server_hostname=files.LEADER_HOST) as tls:
        with suppress(OSError):
            tls.sendall(data)
        answer = b""
        with suppress(OSError, ssl.SSLError):
            while piece := tls.recv(65536):
                answer += piece
    return answer


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", b"400"),
        (b"GET http://x/ HTTP/1.1\r\n\r\n", b"400"),
        (b"\x00" * 10_000, b"400"),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n" + b"".join(b"a%d: b\r\n" % number for number in range(40)) + b"\r\n", b"400"),
        (b"POST /nodes/v1/join HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"400"),
        (b"POST /nodes/v1/join HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", b"400"),
        (b"POST /nodes/v1/join HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"POST /nodes/v1/join HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", b"413"),
        (b"POST /nodes/v1/wanted HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", b"413"),
        (b"POST /nodes/v1/report HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n", b"401"),
        (b"POST /nodes/v1/renew HTTP/1.1\r\nContent-Length: 10\r\n\r\n", b"401"),
        (b"GET /nodes/v1/authority HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", b"400"),
        (b"POST /nodes/v1/join HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", b"400"),
    ],
)
def test_what_is_no_request_is_refused_and_closed(leader, data, status):
    answer = raw(leader, joining_context(making.certificate_of(leader.authority)), data)
    assert answer.startswith(b"HTTP/1.1 " + status)


def test_what_keeps_a_leader_from_an_answer_is_said_to_who_asks(member, monkeypatch):
    def full(*_):
        raise NoSpace("no space left for ledger.db")

    monkeypatch.setattr(reports, "record", full)
    with pytest.raises(LeaderUnreachable, match="503: no space left"):
        member.report()


@pytest.mark.parametrize("data", [b"", b"GET /", b"POST /nodes/v1/join HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf"])
def test_a_slow_request_is_closed(hasty, data):
    assert raw(hasty, joining_context(making.certificate_of(hasty.authority)), data) == b""


def test_one_that_speaks_no_tls_or_does_not_read_is_cut_off(hasty, tmp_path):
    with socket.create_connection(("127.0.0.1", hasty.port), PATIENCE) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert plain.recv(100) == b""
    image = random_image([30_000_000])
    lock = lock_of(image, "r.io/large:1")
    hasty.keep(image, lock)
    join(tmp_path / "d", hasty.url, hasty.token(), Itself("node-d", AMD64, "", ""))
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.connect(("127.0.0.1", hasty.port))
    with client_context(files.own_chain(tmp_path / "d"), leader=True).wrap_socket(plain, server_hostname=files.LEADER_HOST) as tls:
        tls.sendall(f"GET /v2/large/blobs/{lock.layers[0].digest} HTTP/1.1\r\n\r\n".encode())
        until(lambda: hasty.blobs.streams == 1)
        until(lambda: hasty.blobs.streams == 0)


class FullSocket(asyncio.Transport):
    """The kernel takes nothing of what is written."""

    def __init__(self):
        super().__init__()
        self.protocol, self.written, self.closing = None, [], False

    def write(self, data):
        self.written.append(bytes(data))
        self.protocol.pause_writing()

    def set_write_buffer_limits(self, high=None, low=None):
        assert high == 0

    def get_write_buffer_size(self):
        return sum(map(len, self.written))

    def is_closing(self):
        return self.closing

    def abort(self):
        self.closing = True
        self.protocol.connection_lost(None)


async def unread(requests):
    """How many were answered to a client that reads nothing, whether it gives way to others, and how many after it has read one."""
    answered = []

    class Handler:
        def longest(self, request):
            return 0

        async def answer(self, request):
            answered.append(request.target)
            return Answer(200, b"x" * 1000)

    table, transport = Connections(1), FullSocket()
    transport.protocol = protocol = HttpProtocol(Handler(), table)
    protocol.connection_made(transport)
    protocol.data_received(requests)
    for _ in range(20):
        await asyncio.sleep(0)
    first, idle = len(answered), protocol.is_idle
    protocol.resume_writing()
    for _ in range(20):
        await asyncio.sleep(0)
    second = len(answered)
    other = FullSocket()
    other.protocol = HttpProtocol(Handler(), table)
    other.protocol.connection_made(other)
    return first, idle, second, transport.closing, list(table) == [other.protocol]


def test_the_next_request_is_answered_when_the_answer_before_was_read():
    assert asyncio.run(unread(b"GET / HTTP/1.1\r\n\r\n" * 100)) == (1, True, 2, True, True)


def test_one_client_has_its_share_of_streams_only(leader, member, site):
    image = random_image([8_000_000])
    lock = lock_of(image, "r.io/large:2")
    leader.want(lock)  # nothing of it is there: each stream waits for it
    target = f"/v2/large/blobs/{lock.layers[0].digest}"
    statuses = []
    threads = [threading.Thread(target=lambda: statuses.append(ask(leader.port, member.context(), "GET", target)[0])) for _ in range(6)]
    for thread in threads:
        thread.start()
    until(lambda: statuses.count(503) == 2)
    assert ask(leader.port, site[2].context(), "GET", PATH)[0] == 200
    for thread in threads:
        ended(thread)
    assert statuses.count(404) == 4
    leader.locks.remove(lock)
    leader.want()


# --- pure -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 3, 8, 10, 50])
@pytest.mark.parametrize("complete", [0, 1, 3])
def test_the_leader_gives_to_two_and_each_member_to_two(count, complete):
    line = [Candidate(f"n{number:02}", number < complete) for number in range(count)]
    sources = {each.name: sources_of(each.name, line) for each in line if not each.is_complete}
    asked_first = [names[0] for names in sources.values()]
    assert all(asked_first.count(name) <= 2 for name in {*asked_first})
    assert all(names[-1] == LEADER and name not in names for name, names in sources.items())
    assert asked_first.count(LEADER) == (0 if complete else min(count, 2))


def test_processes_that_begin_to_lead_at_once_make_one_authority(tmp_path):
    with ThreadPoolExecutor(3) as pool:
        made = list(pool.map(lambda _: making.lead(tmp_path, timestamps.now()), range(3)))
    assert len(set(made)) == 1
    own = files.own_certificate(tmp_path)
    assert pem_of_der(own.certificates[-1].der) == making.certificate_of(made[0])
    (tmp_path / "nodes" / "authority.pem").unlink()  # the certificate of another authority is of no use
    other = making.certificate_of(making.lead(tmp_path, timestamps.now()))
    assert pem_of_der(files.own_certificate(tmp_path).certificates[-1].der) == other != making.certificate_of(made[0])
    (tmp_path / "nodes" / "authority.pem").write_text("-----BEGIN PRIVATE KEY-----")
    with pytest.raises(StateDamaged, match=r"authority\.pem is damaged"):
        making.lead(tmp_path, timestamps.now())


def test_the_state_of_a_leader_is_for_its_owner_alone(leader):
    folder = leader.box.settings.state_dir / "nodes"
    assert {path.name for path in folder.iterdir()} == {"authority.pem", "lock", "node.pem"}
    assert [path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir())] == [0o700, 0o600, 0o600, 0o600]
    assert [each.name for each in nodes(leader.ctx.ledger)] == ["node-b", "node-c"]
