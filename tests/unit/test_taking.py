"""Blobs that somebody else on the box has already: linked, else copied, and believed only when they are right."""

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


def test_on_one_filesystem_it_is_the_same_file_under_a_second_name(store, theirs):
    assert taken(store, theirs)
    assert store.has(BLOB)
    assert store.path(BLOB).samefile(theirs)
    assert store.path(BLOB).stat().st_mode & 0o777 == 0o444, "what is shared is not changed"
    assert list(store.layout.partials.iterdir()) == []


def test_it_stays_when_the_other_removes_its_name_and_only_then_frees_anything(store, theirs):
    taken(store, theirs)
    assert Store(store.root).collect_garbage([]) == 0, "the bytes are still the other's"
    assert theirs.read_bytes() == DATA
    taken(store, theirs)
    theirs.unlink()
    assert store.verify(BLOB)
    assert store.path(BLOB).read_bytes() == DATA
    assert store.collect_garbage([]) == len(DATA)


def test_a_file_that_was_changed_after_all_is_noticed_and_not_believed(store, theirs):
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


def test_what_lost_its_name_while_it_was_open_is_copied(store, theirs):
    with theirs.open("rb", buffering=0) as file:
        theirs.unlink()
        assert ingest(store, BLOB, file, lambda: False)
    assert store.has(BLOB)
    assert store.path(BLOB).read_bytes() == DATA


@pytest.mark.parametrize("data", [WRONG, DATA[:-5], DATA + b"more", b""], ids=["wrong", "short", "long", "empty"])
def test_wrong_bytes_are_left_where_they_are_and_cost_nothing_that_is_here(store, theirs, data):
    begun(store, DATA[:1000])
    theirs.chmod(0o644)
    theirs.write_bytes(data)
    assert not taken(store, theirs)
    assert not store.has(BLOB)
    assert store.bytes_present(BLOB) == 1000
    assert list(store.layout.quarantine.iterdir()) == []


def test_a_partial_download_is_not_needed_any_more_once_the_file_is_linked(store, theirs):
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
def test_out_of_a_pipe_only_the_rest_is_written(store, before):
    begun(store, DATA[:before])
    with piped(DATA) as pipe:
        assert ingest(store, BLOB, pipe, lambda: False)
    assert store.has(BLOB)
    assert store.path(BLOB).read_bytes() == DATA


def test_a_pipe_that_ends_too_early_leaves_what_came(store):
    begun(store, DATA[:1000])
    with piped(DATA[:2_000_000]) as pipe:
        assert not ingest(store, BLOB, pipe, lambda: False)
    assert not store.has(BLOB)
    assert store.bytes_present(BLOB) == 2_000_000


@pytest.mark.parametrize("data", [WRONG, DATA + b"more"], ids=["wrong", "long"])
def test_wrong_bytes_out_of_a_pipe_get_no_name(store, data):
    with piped(data) as pipe:
        assert not ingest(store, BLOB, pipe, lambda: False)
    assert not store.has(BLOB)
    assert store.bytes_present(BLOB) == 0


def test_it_ends_when_it_is_to_stop(store, theirs):
    with pytest.raises(TransferStopped, match=BLOB.digest):
        taken(store, theirs, stop=lambda: True)
    assert not store.has(BLOB)


def test_what_another_process_brings_just_now_is_left_to_it(store, theirs):
    with store.partial(BLOB):
        assert not taken(Store(store.root), theirs)


def test_what_came_some_other_way_meanwhile_is_there(store, theirs):
    store.put(BLOB, DATA)
    assert taken(store, theirs)
    assert not store.path(BLOB).samefile(theirs)
    assert list(store.layout.partials.iterdir()) == []
