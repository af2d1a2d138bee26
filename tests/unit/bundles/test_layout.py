"""Where members lie: the table of contents is true, a tar reader agrees, and the same input gives the same bytes."""

import io
import tarfile
from dataclasses import replace

import pytest

from kelvin_provision.bundles import limits
from kelvin_provision.bundles.contents import decode, encode
from kelvin_provision.bundles.model import BundledImage, BundledLayer
from kelvin_provision.bundles.writing.layout import CONTENTS_AT, SIGNATURES_AT, Draft, _chunks, cut, place
from kelvin_provision.bundles.writing.stream import members
from kelvin_provision.files.hashing import digest_of
from kelvin_provision.files.tar_members import header, header_size
from kelvin_provision.refs import Platform, Reference
from tests.kit import bundles
from tests.kit.images import random_image

REQUESTS = [b'{"name": "pump"}', b"name: valve\n"]


@pytest.fixture(scope="module")
def bundle():
    images = {"registry.example/pump:1": random_image([3000, 5_000_000]), "registry.example/valve:2": {"linux/amd64": random_image([10])}}
    return bundles.make(images, REQUESTS, request_signatures=[b"[]\n"], part_size=limits.CHUNK, serial=7, boxes=("north",))


def test_the_table_of_contents_is_at_its_place_and_true(bundle):
    table = bundle.data[CONTENTS_AT : CONTENTS_AT + len(bundle.table)]
    contents = decode(table)
    assert contents == bundle.contents
    assert len(bundle.data) == contents.total == sum(contents.parts)
    assert contents.total % tarfile.RECORDSIZE == 0
    for _, extent in members(contents):
        assert digest_of(bundle.data[extent.offset : extent.end]) == extent.digest
    table = bundle.data[contents.chunks.offset : contents.chunks.end]
    assert digest_of(table) == contents.chunks.digest
    assert b"".join(bundles.hashes_of(bundle.data[contents.chunks.end :], contents.chunks.end)) == table


def test_a_tar_reader_agrees(bundle):
    with tarfile.open(fileobj=io.BytesIO(bundle.data)) as tar:
        found = {member.name: (member.offset_data, member.size) for member in tar}
        assert all(member.mode == 0o444 and member.uid == member.mtime == 0 for member in tar)
    names = ["oci-layout", "kelvin/signatures.json", "kelvin/bundle.json", "kelvin/chunks", "index.json", "manifest.json"]
    assert list(found)[:9] == [*names, "kelvin/requests/0001.json", "kelvin/requests/0001.json.sig", "kelvin/requests/0002.json"]
    assert found["kelvin/signatures.json"] == (SIGNATURES_AT, limits.SIGNATURES)
    assert found["kelvin/bundle.json"] == (CONTENTS_AT, len(bundle.table))
    assert {name: found[name] for name, _ in members(bundle.contents)} == {name: (e.offset, e.size) for name, e in members(bundle.contents)}


def draft(count, size=1, **values):
    platform = Platform("linux", "amd64")
    digests = [f"sha256:{number:064x}" for number in range(count + 2)]
    reference = Reference.parse(f"registry.example/pump:1@{digests[0]}")
    layers = [BundledLayer(digest, size, digest, 4 * size) for digest in digests[2:]]
    images = tuple(
        BundledImage(reference, platform, digests[0], digests[1], tuple(layers[start : start + limits.LAYERS]))
        for start in range(0, count, limits.LAYERS)
    )
    value = Draft("pump", "kelvin-provision", (platform,), (), images, dict.fromkeys(digests, 1), (("index.json", b"{}"),))
    return replace(value, **values)


@pytest.mark.parametrize("count", [0, 1, 7, 200, 5_000])
def test_any_number_of_blobs_is_placed(count):
    contents = place(draft(count))
    assert contents.chunks.offset - CONTENTS_AT - 512 == -(-len(encode(contents)) // 512) * 512
    decode(encode(contents))


def test_every_length_of_the_table_finds_its_place():
    """The name of the maker moves the length of the table byte by byte over the edge of a block."""
    for size in (1, 999, 1 << 33):
        for length in range(0, 600, 7):
            contents = place(draft(3, size, made_by="x" * length))
            assert decode(encode(contents)) == contents


def test_hashes_across_a_boundary_of_chunks():
    """Where one hash more or less moves the end over the boundary, no number of hashes fits; with one chunk of zeros more, one does."""
    without = []
    for at in range(limits.CHUNK - 200 * 512, limits.CHUNK + 512, 512):
        for room in (1 << 20, 400 << 20, 401 << 20, 16 << 30):
            found = _chunks(at, room)
            if found is None:
                without.append(at)
                found = _chunks(at, room + limits.CHUNK)
            extent, total = found
            assert extent.size == 32 * limits.chunk_count(extent.end, total)
            assert total >= extent.end + room
    for at in range(limits.CHUNK - 20_000, limits.CHUNK, 32):
        assert _chunks(at, 400 << 20) or _chunks(at, (400 << 20) + limits.CHUNK)


def test_parts_are_cuts():
    assert cut(10_240, 0) == cut(10_240, 20_000) == (10_240,)
    assert cut(10_240, 4_096) == (4_096, 4_096, 2_048)
    assert cut(8_192, 4_096) == (4_096, 4_096)


@pytest.mark.parametrize("length", [1, 99, 100, 101, 141, 511, 512, 513])
def test_the_header_of_a_name_has_the_size_that_is_counted_with(length):
    assert len(header("x" * length, 5)) == header_size("x" * length)


def test_the_same_input_gives_the_same_bytes(bundle):
    again = {"registry.example/pump:1": random_image([10])}
    assert bundles.make(again, REQUESTS).data == bundles.make(again, REQUESTS).data
