"""Downloads over a line that breaks: what goes over the wire, counted to the byte, and an image that is right in the end."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kelvin_provision.context import silent
from kelvin_provision.errors import RegistryBusy, RegistryUnreachable, TransferStopped
from kelvin_provision.events import Finished
from kelvin_provision.refs import Descriptor, Platform, Reference
from kelvin_provision.registry.client import Registry
from kelvin_provision.retry import Backoff
from kelvin_provision.settings.model import DownloadSettings, RegistrySettings, Settings
from kelvin_provision.staging import download
from kelvin_provision.staging.limits.limits import TransferLimits
from kelvin_provision.staging.transfer import Transfer
from kelvin_provision.store import Store
from tests.kit.images import push, random_image
from tests.kit.refusals import refused
from tests.kit.servers.proxy import Faults, Proxy
from tests.kit.waiting import PATIENCE

pytestmark = pytest.mark.registry
AMD64 = Platform("linux", "amd64")
MIB = 1 << 20
SOON = Backoff(first=0.001, cap=0.01, deadline=0.2)
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def image(registry):
    """5 MiB in two layers, in the repository `lines`."""
    found = random_image([3 * MIB, 2 * MIB], level=0)
    push(registry, "lines", "1", found)
    return found


@pytest.fixture
def proxy(registry, image):
    with Proxy(registry, Faults(path="")) as found:
        yield found


@pytest.fixture
def source(tmp_path):
    found = Registry(Settings(tmp_path, download=DownloadSettings(stall_timeout=PATIENCE)))
    yield found
    found.close()


def name_at(proxy, repository="lines"):
    return Reference.parse(f"{proxy.host}/{repository}:1")


def locks_of(source, store, name):
    with download.resolved(source, store, [name], AMD64) as locks:
        return locks


def fetch(source, store, locks, *, progress=silent, stop=lambda: False, parallel=4, backoff=SOON):
    return download.fetch(Transfer(source, store, progress, stop, backoff, TransferLimits(parallel=parallel)), locks)


def right(store, lock):
    """Hashed again by the test, and read by a tool that is not ours."""
    for blob in lock.blobs():
        with store.path(blob).open("rb") as file:
            assert f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}" == blob.digest
    store.tag(lock)
    if shutil.which("skopeo"):
        said = subprocess.run(["skopeo", "inspect", f"oci:{store.layout.images}:{lock.reference}"], check=True, capture_output=True)
        assert json.loads(said.stdout)["Layers"] == [layer.digest for layer in lock.layers]
    return True


# --- one blob ---------------------------------------------------------------------------------------


def read(source, name, blob, offset):
    with source.blob(name, blob, offset) as stream:
        return stream.start, b"".join(stream.chunks)


@pytest.fixture
def layer(source, proxy, tmp_path, image):
    lock = locks_of(source, Store(tmp_path), name_at(proxy))[0]
    proxy.sent = 0
    return lock.layers[0], image.blobs[lock.layers[0].digest]


@pytest.mark.parametrize("offset", [1, 65_536, 1_000_003, 3 * MIB])
def test_exactly_the_rest_goes_over_the_wire(source, proxy, layer, offset):
    blob, data = layer
    assert read(source, name_at(proxy), blob, offset) == (offset, data[offset:])
    assert proxy.sent == blob.size - offset
    assert proxy.asked[-1].headers["Range"] == f"bytes={offset}-{blob.size - 1}"


@pytest.mark.parametrize(
    "faults",
    [
        Faults(ask={"Range": ""}),
        Faults(answer={"Content-Range": ""}),
        Faults(answer={"Content-Range": "bytes 5-9/10"}),
        Faults(answer={"Content-Range": "bytes 1000000-3000000/3000001"}),
        Faults(answer={"Content-Range": "bytes 1000001-3146751/*"}),
        Faults(answer={"Content-Range": "items 1000000-3146751/3146752"}),
        Faults(status=416, statuses=1),
    ],
    ids=["200 in place of 206", "no range", "another range", "another size", "one byte off", "no bytes", "416"],
)
def test_what_is_not_the_range_that_was_asked_for_begins_the_blob_over(source, proxy, layer, faults):
    blob, data = layer
    proxy.faults = faults
    assert read(source, name_at(proxy), blob, 1_000_000) == (0, data)


@pytest.mark.parametrize("reset", [False, True])
def test_what_came_before_a_cut_is_not_lost(source, proxy, layer, reset):
    blob, data = layer
    proxy.faults = Faults(cut=1_000_003, reset=reset, pace=0.001)
    got = bytearray()
    with refused(RegistryUnreachable, "connection closed|reset"), source.blob(name_at(proxy), blob, 0) as stream:
        for chunk in stream.chunks:
            got += chunk
    assert data.startswith(got)
    assert len(got) == 1_000_003


def test_a_slow_line_is_heard_of_piece_by_piece(source, proxy, layer):
    """A read gives what is there: no progress, no stop and no byte waits for a full buffer."""
    blob, _ = layer
    proxy.faults = Faults(pace=0.02)
    with source.blob(name_at(proxy), blob, 0) as stream:
        assert min(len(next(stream.chunks)) for _ in range(5)) <= 4 * 65_536


def test_the_same_goes_for_a_mirror(source, proxy, layer, registry, tmp_path):
    blob, data = layer
    mirrored = Registry(Settings(tmp_path, registries={"r.example": RegistrySettings(mirrors=(proxy.host,))}))
    assert read(mirrored, Reference.parse("r.example/lines:1"), blob, 7) == (7, data[7:])
    mirrored.close()


# What waits in the kernel when a line breaks or a process is killed was sent, and counts: paces that a busy machine keeps up with.

# --- whole images -----------------------------------------------------------------------------------


@pytest.mark.parametrize("reset", [False, True])
def test_a_line_that_breaks_every_mebibyte_costs_hardly_a_byte_more(source, proxy, tmp_path, reset):
    store = Store(tmp_path)
    proxy.faults = Faults(path="", cut=MIB, reset=reset, pace=0.005)
    (lock,) = locks_of(source, store, name_at(proxy))
    said = []
    fetched = fetch(source, store, [lock], progress=said.append)
    assert fetched.fetched + fetched.cached == lock.size
    assert proxy.sent <= 1.02 * lock.size
    assert said[-1] == Finished(str(name_at(proxy)), "downloaded")
    assert right(store, lock)


def test_a_registry_without_ranges_still_gives_a_right_image(source, proxy, tmp_path):
    store = Store(tmp_path)
    (lock,) = locks_of(source, store, name_at(proxy))
    proxy.faults = Faults(cut=MIB, cuts=3, ask={"Range": ""})
    fetch(source, store, [lock])
    assert right(store, lock)


def test_a_busy_registry_is_waited_for_as_long_as_it_asks(source, proxy, tmp_path):
    store = Store(tmp_path)
    (lock,) = locks_of(source, store, name_at(proxy))
    proxy.faults = Faults(status=429, statuses=1, answer={"Retry-After": "1"})
    began = time.monotonic()
    fetch(source, store, [lock], parallel=1, backoff=Backoff(first=0.001, cap=0.01, deadline=30.0))
    assert time.monotonic() - began > 0.9
    assert [one.path for one in proxy.asked if one.path.endswith(lock.layers[0].digest)] == [f"/v2/lines/blobs/{lock.layers[0].digest}"] * 2


def test_a_pause_longer_than_a_turn_is_left_to_the_next_turn(source, proxy, tmp_path):
    store = Store(tmp_path)
    (lock,) = locks_of(source, store, name_at(proxy))
    proxy.faults = Faults(status=503, statuses=1, answer={"Retry-After": "600"})
    with refused(RegistryBusy) as caught:
        fetch(source, store, [lock], parallel=1)
    assert caught.value.retry_after == 600


def test_a_blob_that_is_shorter_there_than_its_manifest_says_is_refused(source, proxy, tmp_path):
    store = Store(tmp_path)
    (lock,) = locks_of(source, store, name_at(proxy))
    proxy.faults = Faults(path=lock.layers[0].digest, status=200)
    with refused(RegistryUnreachable, "with a Content-Length of 2, expected"):
        fetch(source, store, [lock])
    assert not store.has(lock.layers[0])
    assert store.bytes_present(lock.layers[0]) == 0


def test_a_stop_in_mid_download_keeps_every_whole_piece(source, proxy, tmp_path):
    store = Store(tmp_path)
    (lock,) = locks_of(source, store, name_at(proxy))
    proxy.faults, proxy.sent = Faults(pace=0.01), 0
    with refused(TransferStopped):
        fetch(source, store, [lock], stop=lambda: proxy.sent > 2 * MIB)
    assert sum(store.bytes_present(one) for one in lock.layers) > MIB
    fetch(source, store, [lock])
    assert proxy.sent <= 1.2 * lock.size
    assert right(store, lock)


CHILD = """
import sys
from pathlib import Path
from kelvin_provision.context import silent
from kelvin_provision.staging import download
from kelvin_provision.staging.transfer import Transfer
from kelvin_provision.refs import Platform, Reference
from kelvin_provision.registry.client import Registry
from kelvin_provision.retry import Backoff
from kelvin_provision.settings.model import Settings
from kelvin_provision.store import Store
name, state = Reference.parse(sys.argv[1]), Path(sys.argv[2])
store, source = Store(state), Registry(Settings(state))
with download.resolved(source, store, [name], Platform("linux", "amd64")) as locks:
    download.fetch(Transfer(source, store, silent, lambda: False, Backoff()), locks)
"""


def test_killed_in_mid_download_another_process_fetches_only_the_rest(registry, tmp_path, source):
    image = random_image([8 * MIB] * 5, level=0)
    push(registry, "killed", "1", image)
    with Proxy(registry, Faults(path="", pace=0.02)) as proxy:
        for part in (0.3, 0.7):
            child = subprocess.Popen([sys.executable, "-c", CHILD, str(name_at(proxy, "killed")), str(tmp_path)], cwd=ROOT)
            while proxy.sent < part * 40 * MIB:
                assert child.poll() is None
                time.sleep(0.001)
            os.kill(child.pid, signal.SIGKILL)
            assert child.wait() == -signal.SIGKILL
        proxy.faults = Faults(path="")
        subprocess.run([sys.executable, "-c", CHILD, str(name_at(proxy, "killed")), str(tmp_path)], cwd=ROOT, check=True)
        store = Store(tmp_path)
        (lock,) = locks_of(source, store, name_at(proxy, "killed"))
        assert proxy.sent <= 1.05 * lock.size
        assert right(store, lock)


def test_a_login_page_in_the_way_costs_no_byte_of_what_is_there(tmp_path):
    page = b"<html>Welcome to the harbour wifi</html>"

    class Portal(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_):
            pass

    data = bytes(range(256)) * 1000
    blob = Descriptor("application/vnd.oci.image.layer.v1.tar", f"sha256:{hashlib.sha256(data).hexdigest()}", len(data))
    store = Store(tmp_path / "store")
    with store.partial(blob) as partial:
        partial.write(data[:100_000])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Portal)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    registry = Registry(Settings(state_dir=tmp_path))
    try:
        reference = Reference.parse(f"127.0.0.1:{server.server_port}/pump:1")
        with (
            pytest.raises(RegistryUnreachable, match="with a Content-Length of 40, expected 256000"),
            registry.blob(reference, blob, 100_000),
        ):
            pass
    finally:
        registry.close()
        server.shutdown()
        thread.join()
        server.server_close()
    assert store.bytes_present(blob) == 100_000
