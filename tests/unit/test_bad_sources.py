"""One bad source: others get their turn, and a blob whose size is wrong is not asked for again for ever."""

import json
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler

import pytest

from kelvin_provision.agent import turn
from kelvin_provision.cli.frame.terminal import with_short_digests
from kelvin_provision.errors import ManifestInvalid, NoSpace, RegistryUnreachable, RuntimeUnreachable
from kelvin_provision.events import Advanced, Note
from kelvin_provision.refs import Platform, Reference
from kelvin_provision.registry.client import Registry
from kelvin_provision.registry.protocol import Stream
from kelvin_provision.settings.model import DownloadSettings, RegistrySettings, Settings
from tests.kit.box import FAST, Box
from tests.kit.fakes.source import FakeSource
from tests.kit.images import Image, random_image
from tests.kit.servers.threaded import Server, serving

pytestmark = pytest.mark.slow


class DrippingSource(FakeSource):
    """The blobs of `dripping` repositories come byte by byte."""

    def __init__(self):
        super().__init__()
        self.dripping = set()

    @contextmanager
    def blob(self, reference, blob, offset):
        with super().blob(reference, blob, offset) as stream:
            yield Stream(stream.start, self._bytewise(stream.chunks) if reference.repository in self.dripping else stream.chunks)

    def _bytewise(self, chunks):
        for chunk in chunks:
            for at in range(len(chunk)):
                time.sleep(0.002)
                yield chunk[at : at + 1]


@pytest.fixture
def box(tmp_path):
    found = Box(tmp_path)
    found.source = DrippingSource()
    found.timings = replace(FAST, staging_turn=0.4)  # enough for a download that does not drip, on a busy machine too
    yield found
    found.close()


def staged(box):
    return {name: state for name, (_, state) in box.states().items()}


# --- turns ------------------------------------------------------------------------------------------


def test_a_download_that_had_its_turn_gives_way_and_continues_where_it_was(box):
    box.source.dripping = {"a"}
    box.deploy("a", "b", "c")
    memory = turn.Memory.of(box.ctx)
    assert turn.take(box.agent(), memory) is False
    assert staged(box) == {"a": "downloading", "b": "ready", "c": "ready"}
    assert memory.continues
    assert [said for said in box.said if isinstance(said, Note) and "stopped" in said.text] == []
    lock = box.ledger.workload("a").staged.locks[0]
    begun = box.store.bytes_present(lock.layers[0])
    assert 0 < begun < lock.layers[0].size
    box.source.dripping, box.source.served = set(), []
    turn.take(box.agent(), memory)
    assert (staged(box)["a"], memory.continues) == ("ready", False)
    (first, *_) = box.source.served
    assert first[1] >= begun


def test_what_is_deployed_during_a_download_gets_its_turn(box):
    box.source.dripping = {"a"}
    box.deploy("a")
    arrived = []

    def progress(event):
        if isinstance(event, Advanced) and not arrived:
            arrived.append(event)
            other = Box(box.settings.state_dir, like=box)
            other.deploy("b")
            other.close()

    box.progress = progress
    memory = turn.Memory.of(box.ctx)
    turn.take(box.agent(), memory)
    assert (staged(box)["a"], staged(box)["b"] == "ready") == ("downloading", False)
    turn.take(box.agent(), memory)
    assert (staged(box)["a"], staged(box)["b"]) == ("downloading", "ready")


def test_a_download_is_not_interrupted_while_no_other_waits(box):
    box.source.dripping = {"a"}
    box.source.images["r.io/a:1.0.0"] = image = random_image([20])
    box.deploy("a")
    box.turn()
    assert staged(box) == {"a": "ready"}
    assert len(box.source.served) == len(json.loads(image.manifest)["layers"])


@pytest.mark.parametrize("trouble", [NoSpace, RuntimeUnreachable])
def test_a_download_is_not_interrupted_for_one_that_fails_for_a_trouble_of_the_box_but_that_is_tried_every_turn(box, monkeypatch, trouble):
    box.timings = replace(box.timings, agent_retry=600.0)
    box.source.dripping, mended, tried = {"a"}, [], []

    def check(lock, real=box.runtime.check):
        if lock.reference.repository == "b" and not mended:
            tried.append(lock)
            raise trouble("no")
        real(lock)

    monkeypatch.setattr(box.runtime, "check", check)
    box.source.images["r.io/a:1.0.0"] = random_image([20])
    box.deploy("b")
    memory = turn.Memory.of(box.ctx)
    turn.take(box.agent(), memory)
    box.deploy("a")
    turn.take(box.agent(), memory)
    assert (staged(box)["a"], memory.continues, len(tried)) == ("ready", False, 2)
    mended.append(True)
    turn.take(box.agent(), memory)
    assert staged(box) == {"a": "ready", "b": "ready"}


def test_the_agent_goes_on_at_once_after_a_download_gave_way(box):
    box.timings = replace(box.timings, agent_retry=600.0)
    box.source.dripping = {"a"}
    box.source.images["r.io/a:1.0.0"] = random_image([20])
    box.deploy("a", "b")
    box.work(until_idle=True)
    assert staged(box) == {"a": "ready", "b": "ready"}


# --- slow ---------------------------------------------------------------------------------------------


def test_a_source_that_is_too_slow_ends_the_attempt_and_is_told(box, monkeypatch):
    box.source.chunk = 100
    asked = []

    @contextmanager
    def slow(reference, blob, offset, real=box.source.blob):
        asked.append(offset)
        with real(reference, blob, offset) as stream:
            yield Stream(stream.start, too_slow(stream.chunks))

    def too_slow(chunks):
        yield next(chunks)
        error = RegistryUnreachable("r.io: only 100 bytes received in 30 seconds")
        error.slow = error.stalled = True
        raise error

    monkeypatch.setattr(box.source, "blob", slow)
    box.deploy("a")
    box.turn()
    assert asked == [0]
    assert box.warnings("a") == ["r.io: only 100 bytes received in 30 seconds"]
    box.turn()
    assert asked == [0, 100]
    assert box.warnings("a") == ["r.io: only 100 bytes received in 30 seconds"]
    monkeypatch.undo()
    box.turn()
    assert (staged(box), box.warnings("a")) == ({"a": "ready"}, [])


# --- wrong sizes ----------------------------------------------------------------------------------------


def with_another_size(image, more):
    manifest = json.loads(image.manifest)
    manifest["layers"][0]["size"] += more
    return Image(json.dumps(manifest).encode(), image.blobs)


def test_a_blob_that_is_whole_and_shorter_than_its_descriptor_says_fails_for_good(box):
    box.deploy("a")
    box.source.images["r.io/a:1.0.0"] = with_another_size(random_image([3000]), 5)
    box.turn()
    assert staged(box) == {"a": "failed"}
    (warning,) = box.warnings("a")
    assert "bytes in the registry, but" in warning
    apply = box.run("workloads", "apply", "-n", "a")
    assert (apply.exit_code, with_short_digests(warning) in apply.stderr, "nothing was changed" in apply.stderr) == (1, True, True)


@contextmanager
def hostile(image, size, *, head=None):
    """A registry whose layers have this Content-Length; `head` is what it answers to HEAD."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *words):
            pass

        def do_HEAD(self):
            asked.append("HEAD")
            self._answer(b"", size if head is None else head, {})

        def do_GET(self):
            asked.append("GET")
            self._answer(bytes(size), size, {})

        def _answer(self, body, length, headers):
            self.send_response(200)
            for key, value in {**headers, "Content-Length": str(length), "Content-Type": "application/octet-stream"}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(body)

    server = Server(Handler)
    with serving(server):
        yield server.host, asked


@pytest.mark.parametrize(
    ("head", "mirrored", "kind"),
    [(None, False, ManifestInvalid), (5000, False, RegistryUnreachable), (None, True, RegistryUnreachable)],
)
def test_only_the_registry_itself_confirms_another_size_and_it_must_twice(tmp_path, head, mirrored, kind):
    image = random_image([5000])
    box = Box(tmp_path)
    box.deploy("a")
    box.source.images["r.io/a:1.0.0"] = image
    fake = box.source
    with hostile(image, 777, head=head) as (host, asked):
        mirrors = {"127.0.0.1:9": RegistrySettings(mirrors=(host,))} if mirrored else {}
        client = Registry(Settings(tmp_path, registries=mirrors, download=DownloadSettings(stall_timeout=5.0)))
        where = Reference.parse("127.0.0.1:9/a:1" if mirrored else f"{host}/a:1")

        class Source(FakeSource):
            resolve = staticmethod(fake.resolve)

            def blob(self, reference, blob, offset):
                return client.blob(where, blob, offset)

        box.source = Source()
        box.turn()
        client.close()
    assert (staged(box)["a"] == "failed") is (kind is ManifestInvalid)
    (warning,) = box.warnings("a")
    if kind is ManifestInvalid:
        assert "has 777 bytes in the registry, but" in warning
        assert (asked.count("GET"), asked.count("HEAD")) == (2, 2)
    box.close()


# --- documents ------------------------------------------------------------------------------------------


@contextmanager
def dripping_server(what):
    """Sends the `headers` or the `body` of every answer byte by byte, for ever."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *words):
            pass

        def do_GET(self):
            head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n"
            data = head + b"X-Padding: " if what == "headers" else head + b"\r\n"
            if what == "body":
                self.wfile.write(data)
            for byte in data if what == "headers" else b"":
                self._send(bytes([byte]))
            while not over.is_set():
                self._send(b"x")

        def _send(self, byte):
            try:
                self.wfile.write(byte)
            except OSError:
                over.set()
            over.wait(0.02)

    over = threading.Event()
    server = Server(Handler)
    with serving(server):
        yield server.host
        over.set()


@pytest.mark.parametrize(
    ("what", "words"), [("headers", "no complete response within 0.4 seconds"), ("body", "bytes received in 0.4 seconds")]
)
def test_a_document_has_a_deadline_although_a_byte_comes_now_and_then(tmp_path, what, words):
    with dripping_server(what) as host:
        client = Registry(Settings(tmp_path, download=DownloadSettings(stall_timeout=0.2)))
        with pytest.raises(RegistryUnreachable, match=words) as caught:
            client.resolve(Reference.parse(f"{host}/a:1"), Platform("linux", "amd64"))
        client.close()
    assert caught.value.slow
    assert caught.value.stalled
