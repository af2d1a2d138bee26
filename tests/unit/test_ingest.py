"""Blobs of the container runtime: linked, else copied, and stored only when their content is right."""

import contextlib
import os
import tempfile
import threading
from pathlib import Path

import pytest

from kelvin_provision.errors import TransferStopped
from kelvin_provision.refs import Descriptor
from kelvin_provision.store import Store
from kelvin_provision.store.blobs.ingest import ingest
from tests.kit.images import OCI_LAYER, sha256

DATA = os.urandom(3_000_000)
BLOB = Descriptor(OCI_LAYER, sha256(DATA), len(DATA))
WRONG = DATA[:-1] + bytes([DATA[-1] ^ 1])


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "state")


@pytest.fixture
def theirs(tmp_path):
    path = tmp_path / "theirs"
    path.write_bytes(DATA)
    path.chmod(0o444)
    return path


def taken(store, path, stop=lambda: False):
    with path.open("rb", buffering=0) as file:
        return ingest(store, BLOB, file, stop)


def begun(store, data):
    with store.partial(BLOB) as partial:
        partial.write(data)


def test_on_one_filesystem_the_file_is_hard_linked(store, theirs):
    assert taken(store, theirs)
    assert store.has(BLOB)
    assert store.path(BLOB).samefile(theirs)
    assert store.path(BLOB).stat().st_mode & 0o777 == 0o444, "what is shared is not changed"
    assert list(store.layout.partials.iterdir()) == []


def test_a_linked_blob_survives_its_source_and_frees_space_only_after_that(store, theirs):
    taken(store, theirs)
    assert Store(store.root).collect_garbage([]) == 0, "the bytes are still the other's"
    assert theirs.read_bytes() == DATA
    taken(store, theirs)
    theirs.unlink()
    assert store.verify(BLOB)
    assert store.path(BLOB).read_bytes() == DATA
    assert store.collect_garbage([]) == len(DATA)


def test_a_linked_file_that_is_changed_later_is_not_trusted(store, theirs):
    taken(store, theirs)
    theirs.chmod(0o644)
    theirs.write_bytes(WRONG)
    assert not store.has(BLOB)
    assert theirs.read_bytes() == WRONG, "only our link to it is quarantined"


def test_on_another_filesystem_it_is_copied(theirs, tmp_path):
    others = [
        place for place in ("/dev/shm", "/var/tmp") if os.access(place, os.W_OK) and Path(place).stat().st_dev != tmp_path.stat().st_dev
    ]
    if not others:
        pytest.skip("there is no second filesystem")
    with tempfile.TemporaryDirectory(dir=others[0]) as folder:
        store = Store(Path(folder))
        assert taken(store, theirs)
        assert store.path(BLOB).read_bytes() == DATA
        assert store.path(BLOB).stat().st_nlink == 1
        assert store.path(BLOB).stat().st_mode & 0o777 == 0o600


def test_a_file_that_was_unlinked_while_open_is_copied(store, theirs):
    with theirs.open("rb", buffering=0) as file:
        theirs.unlink()
        assert ingest(store, BLOB, file, lambda: False)
    assert store.has(BLOB)
    assert store.path(BLOB).read_bytes() == DATA


@pytest.mark.parametrize("data", [WRONG, DATA[:-5], DATA + b"more", b""], ids=["wrong", "short", "long", "empty"])
def test_wrong_content_is_ignored_and_the_partial_is_kept(store, theirs, data):
    begun(store, DATA[:1000])
    theirs.chmod(0o644)
    theirs.write_bytes(data)
    assert not taken(store, theirs)
    assert not store.has(BLOB)
    assert store.bytes_present(BLOB) == 1000
    assert list(store.layout.quarantine.iterdir()) == []


def test_a_partial_is_removed_once_the_file_is_linked(store, theirs):
    begun(store, DATA[:1000])
    assert taken(store, theirs)
    assert list(store.layout.partials.iterdir()) == []


@contextlib.contextmanager
def piped(data):
    reading, writing = os.pipe()

    def write():
        with contextlib.suppress(BrokenPipeError), open(writing, "wb") as file:
            file.write(data)

    thread = threading.Thread(target=write)
    thread.start()
    with open(reading, "rb", buffering=0) as file:
        yield file
    thread.join()


@pytest.mark.parametrize("before", [0, 1, 1_500_000, len(DATA)])
def test_from_a_pipe_only_the_missing_bytes_are_written(store, before):
    begun(store, DATA[:before])
    with piped(DATA) as pipe:
        assert ingest(store, BLOB, pipe, lambda: False)
    assert store.has(BLOB)
    assert store.path(BLOB).read_bytes() == DATA


def test_a_pipe_that_ends_early_leaves_a_partial(store):
    begun(store, DATA[:1000])
    with piped(DATA[:2_000_000]) as pipe:
        assert not ingest(store, BLOB, pipe, lambda: False)
    assert not store.has(BLOB)
    assert store.bytes_present(BLOB) == 2_000_000


@pytest.mark.parametrize("data", [WRONG, DATA + b"more"], ids=["wrong", "long"])
def test_wrong_content_from_a_pipe_is_not_stored(store, data):
    with piped(data) as pipe:
        assert not ingest(store, BLOB, pipe, lambda: False)
    assert not store.has(BLOB)
    assert store.bytes_present(BLOB) == 0


def test_ingest_can_be_stopped(store, theirs):
    with pytest.raises(TransferStopped, match=BLOB.digest):
        taken(store, theirs, stop=lambda: True)
    assert not store.has(BLOB)


def test_a_blob_that_another_process_is_storing_is_left_to_it(store, theirs):
    with store.partial(BLOB):
        assert not taken(Store(store.root), theirs)


def test_a_blob_that_was_stored_meanwhile_is_kept(store, theirs):
    store.put(BLOB, DATA)
    assert taken(store, theirs)
    assert not store.path(BLOB).samefile(theirs)
    assert list(store.layout.partials.iterdir()) == []
