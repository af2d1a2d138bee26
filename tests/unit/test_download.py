"""The download on a source in memory: to the byte, once each, never a wrong blob with a right name."""

import signal
import threading
import time

import pytest

from kelvin_provision.context import silent
from kelvin_provision.errors import DigestMismatch, ImageNotFound, RegistryDenied, RegistryUnreachable, TransferStopped
from kelvin_provision.events import Advanced, Finished, Started
from kelvin_provision.refs import Platform, Reference
from kelvin_provision.retry import Backoff
from kelvin_provision.staging import download
from kelvin_provision.staging.limits.limits import TransferLimits
from kelvin_provision.staging.transfer import Transfer
from kelvin_provision.store import Store
from tests.kit.fakes.source import FakeSource
from tests.kit.images import random_image

AMD64 = Platform("linux", "amd64")
SOON = Backoff(first=0.001, cap=0.001, deadline=0.02)


@pytest.fixture
def source():
    return FakeSource()


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def staged(source, store, *references, sizes=(30_000, 20_000)):
    for reference in references:
        source.images[reference] = random_image(list(sizes))
    return resolved(source, store, *references)


def resolved(source, store, *references):
    with download.resolved(source, store, [Reference.parse(reference) for reference in references], AMD64) as locks:
        return locks


def fetch(source, store, locks, *, progress=silent, stop=lambda: False, parallel=4):
    return download.fetch(Transfer(source, store, progress, stop, SOON, TransferLimits(parallel=parallel)), locks)


def transfers():
    return [thread for thread in threading.enumerate() if thread.name.startswith("transfer-")]


def complete(store, locks):
    return all(store.has(blob) for lock in locks for blob in lock.blobs())


def test_everything_is_downloaded_once(source, store):
    locks = staged(source, store, "r.io/a:1")
    first = fetch(source, store, locks)
    assert complete(store, locks)
    assert first.cached + first.fetched == sum(lock.size for lock in locks)
    source.served.clear()
    said = []
    assert fetch(source, store, locks, progress=said.append).fetched == 0
    assert source.served == []
    assert said == [Finished("r.io/a:1", "already present")]


def test_a_blob_that_two_images_share_is_downloaded_once(source, store):
    image = random_image([20_000])
    source.images = {"r.io/a:1": image, "r.io/b:1": image}
    locks = resolved(source, store, "r.io/a:1", "r.io/b:1")
    fetch(source, store, locks)
    assert len(source.served) == 1


def test_a_broken_connection_is_resumed_at_its_last_byte(source, store):
    locks = staged(source, store, "r.io/a:1", sizes=[50_000])
    source.cut, source.cuts = 10_000, 3
    fetch(source, store, locks, parallel=1)
    layer = locks[0].layers[0]
    assert [(start, end) for digest, start, end in source.served if digest == layer.digest] == [
        (0, 10_000), (10_000, 20_000), (20_000, 30_000), (30_000, layer.size),
    ]  # fmt: skip
    assert complete(store, locks)


def test_received_bytes_restart_the_back_off(source, store):
    locks = staged(source, store, "r.io/a:1", sizes=[200_000])
    source.cut, source.cuts = 1_000, 150  # more cuts than the back-off has delays
    fetch(source, store, locks, parallel=1)
    assert complete(store, locks)


def test_another_process_resumes_where_the_first_gave_up(source, store, tmp_path):
    locks = staged(source, store, "r.io/a:1", sizes=[50_000])
    source.cut, source.cuts = 20_000, 1

    def down_after_the_cut(event):
        if isinstance(event, Advanced) and event.done > 20_000:
            source.down = RegistryUnreachable("no route to host")

    transfer = Transfer(source, store, down_after_the_cut, lambda: False, SOON, TransferLimits(parallel=4), report_interval=0.0)
    with pytest.raises(RegistryUnreachable):
        download.fetch(transfer, locks)
    source.down, source.cuts, source.served = None, 0, []
    fetch(source, Store(tmp_path), locks)
    (digest, start, end) = source.served[0]
    assert (digest, end) == (locks[0].layers[0].digest, locks[0].layers[0].size)
    assert start > 0


def test_a_source_without_ranges_restarts_the_blob(source, store):
    locks = staged(source, store, "r.io/a:1", sizes=[50_000])
    source.cut, source.cuts, source.ignores_ranges = 20_000, 1, True
    fetch(source, store, locks)
    assert complete(store, locks)


def test_a_corrupt_blob_is_downloaded_twice_and_then_refused(source, store):
    locks = staged(source, store, "r.io/a:1", sizes=[5_000])
    layer = locks[0].layers[0]
    source.wrong = {layer.digest}
    with pytest.raises(DigestMismatch, match=layer.digest):
        fetch(source, store, locks)
    assert [digest for digest, _, _ in source.served] == [layer.digest, layer.digest]
    assert not store.path(layer).exists()


def test_a_permanent_error_ends_the_other_transfers(source, store):
    locks = staged(source, store, "r.io/a:1")
    source.down = RegistryDenied("r.io: denied")
    with pytest.raises(RegistryDenied):
        fetch(source, store, locks)
    assert not transfers()


def test_a_stop_keeps_the_partial_download(source, store):
    locks = staged(source, store, "r.io/a:1", sizes=[50_000])
    asked = iter(range(1000))
    with pytest.raises(TransferStopped):
        fetch(source, store, locks, stop=lambda: next(asked) > 10)
    assert 5_000 < store.bytes_present(locks[0].layers[0]) < 50_000


def test_progress_counts_from_the_start_of_the_task(source, store):
    locks = staged(source, store, "r.io/a:1", sizes=[50_000])
    said = []
    fetch(source, store, locks, progress=said.append)
    assert said[0] == Started("r.io/a:1", "downloading", locks[0].size, locks[0].size - locks[0].layers[0].size)
    assert all(isinstance(event, Advanced) and event.total == locks[0].size for event in said[1:-1])
    assert said[-1] == Finished("r.io/a:1", "downloaded")


def test_a_missing_image_is_an_error_at_once(source, store):
    with pytest.raises(ImageNotFound):
        resolved(source, store, "r.io/none:1")


def test_a_signal_ends_the_transfers_too(source, store):
    locks = staged(source, store, "r.io/a:1", sizes=[5_000_000])

    def ring(number, frame):
        raise KeyboardInterrupt

    def armed(event):
        if isinstance(event, Started):
            signal.setitimer(signal.ITIMER_REAL, 0.05)

    before = signal.signal(signal.SIGALRM, ring)
    try:
        with pytest.raises(KeyboardInterrupt):
            fetch(source, store, locks, progress=armed, stop=lambda: time.sleep(0.001))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert not transfers()
    served = len(source.served)
    time.sleep(0.05)
    assert len(source.served) == served
    assert not store.path(locks[0].layers[0]).exists()


def test_a_stop_ends_the_back_off_at_once(source, store):
    locks = staged(source, store, "r.io/a:1")
    source.down = RegistryUnreachable("no route to host")
    asked = iter(range(1000))
    began = time.monotonic()
    patient = Backoff(first=60.0, cap=60.0, deadline=600.0)
    with pytest.raises(TransferStopped, match="stopped"):  # by whoever asks first
        download.fetch(Transfer(source, store, silent, lambda: next(asked) > 2, patient, TransferLimits(parallel=1)), locks)
    assert time.monotonic() - began < 30, "the pause would last so long at least"


def test_a_thread_that_cannot_be_started_leaves_none_behind(source, store, monkeypatch):
    locks = staged(source, store, "r.io/a:1")
    start = threading.Thread.start

    def refuse(thread):
        if thread.name == "transfer-1":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError):
        fetch(source, store, locks)
    assert not transfers()
