"""Packages: the bytes of the zip, what other programs read of it, and what `verify` finds."""

import io
import zipfile
from dataclasses import replace

import pytest

from kelvin_provision.bundles.contents import decode, encode
from kelvin_provision.bundles.inspection import BundlePlace, verified
from kelvin_provision.bundles.opening import find, open_bundle, read_head
from kelvin_provision.bundles.part_file import PartFile
from kelvin_provision.bundles.zips import records
from kelvin_provision.bundles.zips.directory import entries_of
from kelvin_provision.errors import BundleInvalid
from kelvin_provision.settings.model import TrustSettings
from kelvin_provision.trust.believed import Trust
from tests.kit import packages
from tests.kit.images import random_image

IMAGES = {"r.io/pump:1.0.0": random_image([3_000, 5_000_000], level=0), "r.io/side:2": random_image([700])}


@pytest.fixture(scope="module")
def made():
    return packages.package(IMAGES)


@pytest.fixture
def path(made, tmp_path):
    path = tmp_path / "pump.zip"
    path.write_bytes(made[1])
    return path


def test_other_programs_read_every_member(made):
    with zipfile.ZipFile(io.BytesIO(made[1])) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert names[:6] == [
            *("kelvin/signatures.json", "kelvin/bundle.json", "kelvin/chunks"),
            *("manifest.yaml", "images/oci-layout", "images/index.json"),
        ]
        assert names[6] == "workload.json"
        for image in IMAGES.values():
            for digest, data in {image.digest: image.manifest, **image.blobs}.items():
                assert archive.read(f"images/blobs/{digest.replace(':', '/')}") == data
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        assert {(info.date_time[0], info.external_attr >> 16) for info in archive.infolist()} == {(1980, 0o100444)}


def test_the_same_contents_give_the_same_bytes(made):
    assert packages.package(IMAGES)[1] == made[1]


def test_the_reader_of_bundles_reads_it(made, path):
    head = read_head(find(path))
    contents = decode(head.contents)
    assert (contents, encode(contents), contents.total) == (made[0].contents, head.contents, len(made[1]))
    with open_bundle(find(path), head, contents) as bundle:
        for image in IMAGES.values():
            assert {digest: b"".join(bundle.blob(digest)) for digest in image.blobs} == image.blobs
        assert bundle.content(contents.requests[0].content) == b'{"name": "pump"}'


@pytest.mark.parametrize("size", [0, 1, 500, 4000, 90_000])
def test_the_table_of_contents_has_room_for_itself_whatever_its_length(size):
    """The annotations make it longer, byte by byte."""
    for more in range(0, 40, 3):
        text = {"x" * (more + 1): "y" * min(size, 1000), **{f"k{number}": "z" * 1000 for number in range(size // 1000)}}
        contents = packages.package({"r.io/pump:1": random_image([9])}, annotations=text)[0].contents
        assert contents.chunks.offset % 4096 == 0


def found(path):
    """Whether something wrong is found, by the directory or by the hashes."""
    try:
        return bool(verified(BundlePlace((path,)), Trust(TrustSettings()), lambda event: None).result.bad)
    except BundleInvalid:
        return True


def test_verify_finds_every_changed_byte(made, path):
    contents = made[0].contents
    assert verified(BundlePlace((path,)), Trust(TrustSettings()), lambda event: None).error is None
    entries = read_head(find(path)).entries
    places = {
        5: "the header of the signatures",
        entries[1].at + 11: "a time in the header of the table",
        contents.chunks.offset - 1: "the room before the hashes",
        contents.chunks.offset: "the hashes",
        contents.requests[0].content.offset: "the request",
        max(contents.blobs, key=lambda blob: blob.size).offset + 4_500_000: "a layer",
        contents.hashed_end + 12: "a time in the directory",
    }
    for place, what in places.items():
        data = bytearray(made[1])
        data[place] ^= 1
        path.write_bytes(data)
        assert found(path), what


def test_large_numbers_are_in_zip64_fields(tmp_path):
    """A file with a hole: its entry of 5 GiB takes no room."""
    size, path = 5 << 30, tmp_path / "large.zip"
    first = records.Entry("a", 0, records.local_size("a", size), size, size, 7)
    second = records.Entry("b", first.end, first.end + records.local_size("b", 3), 3, 3, 9)
    with path.open("wb") as file:
        file.write(records.local("a", size, 7))
        file.seek(first.end)
        file.write(records.local("b", 3, 9) + b"abc" + records.directory([first, second], second.end))
    assert entries_of(PartFile(path)) == (first, second)
    with zipfile.ZipFile(path) as archive:
        assert [(info.filename, info.file_size, info.header_offset) for info in archive.infolist()] == [("a", size, 0), ("b", 3, first.end)]


def test_a_table_of_another_member_is_refused(made, path):
    """The table is believed only where it says what the directory says."""
    contents = made[0].contents
    blob = contents.blobs[0]
    for changed in (
        replace(contents, blobs=(replace(blob, offset=blob.offset - 1), *contents.blobs[1:])),
        replace(contents, requests=(replace(contents.requests[0], name="other.json"),)),
        replace(contents, requests=()),
        replace(contents, form="bundle", tail=0),
    ):
        head = replace(read_head(find(path)), contents=encode(changed))
        with pytest.raises(BundleInvalid):
            open_bundle(find(path), head, changed)


def test_a_compressed_table_is_refused(made, tmp_path):
    path = tmp_path / "deflated.zip"
    with zipfile.ZipFile(io.BytesIO(made[1])) as archive, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as other:
        for name in archive.namelist():
            other.writestr(name, archive.read(name))
    with pytest.raises(BundleInvalid, match="is compressed"):
        read_head(find(path))
