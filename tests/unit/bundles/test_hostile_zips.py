"""Zips that two programs could read in two ways, or that are made to harm: each is refused with its reason."""

import io
import zipfile

import pytest

from kelvin_provision.bundles.part_file import PartFile
from kelvin_provision.bundles.zips.directory import entries_of
from kelvin_provision.errors import BundleInvalid
from tests.kit.hostile_zips import SMALLEST, TWO, ZIPS, zipped


def entries(tmp_path, data):
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    return entries_of(PartFile(path))


@pytest.mark.parametrize("hostile", ZIPS, ids=lambda hostile: hostile.name)
def test_each_is_refused_with_its_reason(tmp_path, hostile):
    with pytest.raises(BundleInvalid) as caught:
        entries(tmp_path, hostile.data())
    assert hostile.reason in str(caught.value)
    assert caught.value.exit_code == 65
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("data", [TWO, SMALLEST], ids=["as zipfile writes it", "with a ZIP64 record"])
def test_what_they_are_made_from_is_read(tmp_path, data):
    assert [(entry.name, data[entry.data : entry.end]) for entry in entries(tmp_path, data)] == [("a", b"first"), ("b/c", b"second")]


class _Pipe(io.RawIOBase):
    """A zip that is written to a pipe has sizes and checksums behind the contents."""

    def __init__(self):
        self.data = bytearray()

    def writable(self):
        return True

    def write(self, data):
        self.data += data
        return len(data)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_sizes_behind_the_content_are_read_and_compared(tmp_path, method):
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", method) as archive:
        archive.writestr("a", b"first " * 100)
        archive.mkdir("b")
        archive.writestr("b/c", b"second")
    data = bytes(pipe.data)
    found = entries(tmp_path, data)
    assert [(entry.name, entry.size) for entry in found] == [("a", 600), ("b/", 0), ("b/c", 6)]
    changed = bytearray(data)
    changed[found[0].end + 5] ^= 1
    with pytest.raises(BundleInvalid, match="other bytes than its sizes"):
        entries(tmp_path, bytes(changed))


def test_names_in_utf_8_are_read(tmp_path):
    assert [entry.name for entry in entries(tmp_path, zipped(("grün.json", b"{}")))] == ["grün.json"]


def test_a_zip_without_entries_has_none(tmp_path):
    assert entries(tmp_path, zipped()) == ()
