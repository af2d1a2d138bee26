"""Stored blobs are hashed again and unreferenced data is measured: nothing is moved, written or removed."""

import os

import pytest

from kelvin_provision.events import Advanced, Finished
from kelvin_provision.refs import Descriptor
from kelvin_provision.store import BlobState, Store
from kelvin_provision.store.blobs.rehash import rehash
from kelvin_provision.store.gc.unreferenced import Unreferenced, unreferenced
from kelvin_provision.store.layout import Layout
from tests.kit.images import OCI_LAYER, sha256

BIG = os.urandom(2_500_000)
SMALL = b"small"


def described(data):
    return Descriptor(OCI_LAYER, sha256(data), len(data))


@pytest.fixture
def store(tmp_path):
    found = Store(tmp_path)
    for data in (BIG, SMALL):
        found.put(described(data), data)
    return found


def tree(folder):
    return sorted((str(path), path.stat().st_mtime_ns) for path in folder.rglob("*"))


def again(store, *blobs, stop=lambda: False):
    said = []
    return rehash(blobs, store.path, said.append, stop), said


def test_valid_blobs_are_not_reported(store):
    wrong, said = again(store, described(BIG), described(SMALL), described(SMALL))
    assert wrong == {}
    assert max(event.done for event in said if isinstance(event, Advanced)) == len(BIG) + len(SMALL)
    assert said[-1] == Finished("stored images", "hashed", "no errors")


def test_a_flipped_bit_of_the_same_size_and_time_is_found_and_not_moved(store, tmp_path):
    path = store.path(described(BIG))
    times = path.stat()
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(1_500_000)
        file.write(bytes([BIG[1_500_000] ^ 1]))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    before = tree(tmp_path)
    assert store.state(described(BIG)) is BlobState.VERIFIED
    wrong, said = again(store, described(BIG), described(SMALL))
    assert list(wrong) == [described(BIG).digest]
    assert wrong[described(BIG).digest].startswith("has the content of sha256:")
    assert said[-1] == Finished("stored images", "hashed", "1 corrupt")
    assert tree(tmp_path) == before


def test_missing_and_short_blobs_are_reported(store):
    store.path(described(SMALL)).write_bytes(b"s")
    absent = described(b"absent")
    assert (store.state(described(SMALL)), store.state(absent)) == (BlobState.WRONG_SIZE, BlobState.MISSING)
    assert again(store, described(SMALL), absent)[0] == {described(SMALL).digest: "has 1 of 5 bytes", absent.digest: "is missing"}


def test_a_foreign_file_is_unverified_and_not_touched(store, tmp_path):
    path = store.path(described(b"other"))
    path.write_bytes(b"other")
    before = tree(tmp_path)
    assert store.state(described(b"other")) is BlobState.UNVERIFIED
    assert tree(tmp_path) == before


def test_a_stopped_rehash_reports_nothing(store):
    assert again(store, described(BIG), described(SMALL), stop=lambda: True)[0] == {}


def test_unreferenced_data_is_measured_and_left(store, tmp_path):
    (tmp_path / "partial" / "sha256-abc").write_bytes(b"xyz")
    (tmp_path / "quarantine" / "sha256:abc-1").write_bytes(b"xy")
    before = tree(tmp_path)
    assert unreferenced(store.layout, {described(BIG).digest}) == Unreferenced(blobs=(1, 5), partials=(1, 3), quarantined=(1, 2))
    assert unreferenced(Layout(tmp_path / "none"), set()) == Unreferenced()
    assert tree(tmp_path) == before
