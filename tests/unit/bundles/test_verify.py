"""A bundle with a changed byte is not accepted as whole: each bad place is named, and so is each part that is missing."""

import errno
import os
from dataclasses import replace

import pytest

from kelvin_provision.bundles import limits
from kelvin_provision.bundles.contents import decode
from kelvin_provision.bundles.inspection import BundlePlace, verified
from kelvin_provision.bundles.opening import find, open_bundle, read_head
from kelvin_provision.bundles.part_file import PartFile, trouble
from kelvin_provision.bundles.verify import CHANGED, UNREADABLE, verify
from kelvin_provision.bundles.writing.filling import spans
from kelvin_provision.bundles.writing.layout import CONTENTS_AT, SIGNATURES_AT
from kelvin_provision.errors import BundleDamaged, BundleInvalid, MediumGone, SignatureInvalid, TrustDocumentInvalid
from kelvin_provision.files.tar_members import whole
from kelvin_provision.settings.model import TrustSettings
from kelvin_provision.trust import computing
from kelvin_provision.trust.believed import Trust
from tests.kit import bundles
from tests.kit.images import make_image
from tests.kit.signing import computed_here, key_pair
from tests.kit.trusting import signed, trust_document

MIB = 1 << 20
LAYERS = [bytes(range(251)) * (9 * MIB // 251), b"small" * 100]
BUNDLE = bundles.make({"registry.example/pump:1": make_image(LAYERS, compress=False)}, [b'{"name": "pump"}'], name="pump")
PARTED = bundles.make({"registry.example/pump:1": make_image(LAYERS, compress=False)}, name="pump", part_size=limits.CHUNK)
UNALIGNED = bundles.make({"registry.example/pump:1": make_image(LAYERS, compress=False)}, name="pump", part_size=3_000_000)


def result_of(*places, progress=lambda event: None):
    return verified(BundlePlace(places), Trust(TrustSettings()), progress).result


def flip(path, offset, value=1):
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ value]))


@pytest.mark.parametrize("bundle", [BUNDLE, PARTED, UNALIGNED], ids=["whole", "parts", "parts across chunks"])
def test_what_was_written_is_whole(tmp_path, bundle):
    bundle.write(tmp_path)
    events = []
    result = result_of(tmp_path, progress=events.append)
    assert (result.bad, result.bad_chunks, result.missing) == ((), 0, ())
    assert result.verified == result.chunks == len(list(spans(bundle.contents.chunks.end, bundle.contents.total)))
    assert result.bytes == bundle.contents.total
    assert [event.done for event in events[1:-1]] == sorted(event.done for event in events[1:-1])
    assert events[-2].done == events[-2].total == bundle.contents.total


def regions():
    """An offset in each region, by name."""
    contents = BUNDLE.contents
    yield "oci-layout", 20
    yield "the content of oci-layout", 515
    yield "the header of the signatures", 1024 + 30
    yield "the header of the table of contents", CONTENTS_AT - 100
    yield "the table of contents", CONTENTS_AT + 10
    yield "the header of the hashes", contents.chunks.offset - 300
    yield "the hashes", contents.chunks.offset + 5
    yield "the padding of the hashes", contents.chunks.end + 1
    yield "the request", contents.requests[0].content.offset
    yield "the header of the request", contents.requests[0].content.offset - 400
    yield "the last byte", contents.total - 1
    for name, extent in contents.files:
        yield name, extent.offset
    for number, blob in enumerate(contents.blobs):
        yield f"blob {number}, first byte", blob.offset
        yield f"blob {number}, last byte", blob.end - 1


@pytest.mark.parametrize(("offset"), [pytest.param(offset, id=name) for name, offset in regions()])
def test_a_changed_byte_is_damage_wherever_it_is(tmp_path, offset):
    (path,) = BUNDLE.write(tmp_path)
    flip(path, offset)
    try:
        result = result_of(tmp_path)
    except (BundleInvalid, BundleDamaged):
        return
    assert [place.path for place in result.bad] == [str(path)]
    assert result.bad[0].offset <= offset < result.bad[0].offset + result.bad[0].size


def test_changed_signatures_are_invalid(tmp_path):
    (path,) = BUNDLE.write(tmp_path)
    flip(path, SIGNATURES_AT + 100)
    with pytest.raises(SignatureInvalid):
        result_of(tmp_path)


def test_a_bad_place_is_named_by_file_mebibyte_and_content(tmp_path):
    paths = PARTED.write(tmp_path)
    layer = max(PARTED.contents.blobs, key=lambda blob: blob.size)
    flip(paths[1], 2 * MIB)
    result = result_of(tmp_path)
    (place,) = result.bad
    assert (place.part, place.offset, place.size, place.reason, result.bad_chunks) == (2, 0, limits.CHUNK, CHANGED, 1)
    assert place.text == f"{paths[1]}, MiB 0 to 3: changed, {layer.digest}"


def test_bad_places_that_touch_are_one(tmp_path):
    (path,) = BUNDLE.write(tmp_path)
    flip(path, 2 * limits.CHUNK - 1)
    flip(path, 2 * limits.CHUNK)
    result = result_of(tmp_path)
    assert [(place.offset, place.size) for place in result.bad] == [
        (limits.CHUNK, 2 * limits.CHUNK - max(0, 3 * limits.CHUNK - BUNDLE.contents.total))
    ]
    assert result.bad_chunks == 2


def test_a_chunk_across_two_parts_names_both(tmp_path):
    paths = UNALIGNED.write(tmp_path)
    flip(paths[2], 6)
    assert {place.part for place in result_of(tmp_path).bad} == {2, 3}


def test_what_is_here_is_verified_and_what_is_not_is_said(tmp_path):
    paths = PARTED.write(tmp_path)
    paths[1].unlink()
    result = result_of(tmp_path)
    assert (result.missing, result.bad, result.chunks - result.verified) == ((2,), (), 1)
    flip(paths[2], 100)
    assert [place.part for place in result_of(tmp_path).bad] == [3]


def test_a_part_that_is_cut_off_is_bad_and_the_others_are_read(tmp_path):
    paths = PARTED.write(tmp_path)
    os.truncate(paths[1], 1_000)
    flip(paths[2], 100)
    result = result_of(tmp_path)
    assert [(place.part, place.size) for place in result.bad] == [(2, limits.CHUNK), (3, result.bad[1].size)]
    assert result.bad[0].text.endswith("cut off: it has 1000 bytes, and the bundle says 4194304")


def test_parts_of_two_bundles_are_told_apart(tmp_path):
    """By their size, and where it is the same, by the hashes."""
    other = bundles.make({"registry.example/pump:1": make_image([LAYERS[0][::-1]], compress=False)}, name="pump", part_size=limits.CHUNK)
    paths = PARTED.write(tmp_path)
    theirs = other.write(tmp_path / "other")
    theirs[1].replace(paths[1])
    theirs[-1].replace(paths[-1])
    assert {place.part for place in result_of(tmp_path).bad} >= {2}


@pytest.mark.parametrize(
    "size", [0, 100, 1024, SIGNATURES_AT + 5, CONTENTS_AT + 5, BUNDLE.contents.chunks.offset + 1, MIB, BUNDLE.contents.total - 1]
)
def test_a_file_that_is_cut_off_is_damaged_wherever_that_is(tmp_path, size):
    (path,) = BUNDLE.write(tmp_path)
    os.truncate(path, size)
    try:
        result = result_of(tmp_path)
    except BundleDamaged:
        return
    assert "cut off" in result.bad[0].text
    assert result.verified == 0


def test_a_bundle_that_grows_is_damaged(tmp_path):
    (path,) = BUNDLE.write(tmp_path)
    with path.open("ab") as file:
        file.write(b"more")
    assert "of another bundle" in result_of(tmp_path).bad[0].text


def test_a_file_that_is_written_to_meanwhile_is_not_whole(tmp_path):
    (path,) = BUNDLE.write(tmp_path)

    def write(event):
        os.utime(path, ns=(1, 1))

    with pytest.raises(BundleDamaged, match="written to while it was read"):
        result_of(tmp_path, progress=write)


@pytest.mark.parametrize("place", ["header", "padding", "content", "signature"])
def test_a_changed_byte_of_a_trust_document_is_found_also_without_a_key(tmp_path, monkeypatch, place):
    monkeypatch.setattr(computing, "computed", computed_here)
    anna = key_pair()
    one = signed(trust_document(1, anna), anna)
    bundle = bundles.make(requests=[b"{}"], trust=(one,))
    (path,) = bundle.write(tmp_path)
    assert result_of(tmp_path).bad == ()
    at = CONTENTS_AT + whole(len(bundle.table))
    content = at + 512
    flip(
        path,
        {
            "header": at + 105,
            "padding": content + len(one.content) + 1,
            "content": content + 20,
            "signature": path.read_bytes().index(b'"sig": "') + 12,
        }[place],
    )
    if place in ("header", "padding"):
        assert [bad.members for bad in result_of(tmp_path).bad] == [("the headers",)]
    else:
        with pytest.raises(TrustDocumentInvalid):
            result_of(tmp_path)


def test_the_table_of_contents_that_was_verified_is_the_one_that_is_compared(tmp_path):
    """A stick may answer the second read with other bytes than the first."""
    (path,) = BUNDLE.write(tmp_path)
    files = find(tmp_path)
    head = read_head(files)
    flip(path, CONTENTS_AT + 20)
    with open_bundle(files, head, decode(head.contents)) as bundle:
        assert verify(bundle, head, lambda event: None).bad[0].offset == CONTENTS_AT + 20


# --- a medium in trouble ----------------------------------------------------------------------------------


class Failing(PartFile):
    """A file with places that cannot be read."""

    answers = True

    def __init__(self, path, places, number):
        super().__init__(path)
        self.places, self.number = places, number

    def read_into(self, view, offset):
        if any(offset <= place < offset + len(view) for place in self.places):
            error = OSError(self.number, os.strerror(self.number))
            raise trouble(error, self.path) from error
        super().read_into(view, offset)


def failing(tmp_path, places, number):
    (path,) = BUNDLE.write(tmp_path)
    files = find(tmp_path)
    head = read_head(files)
    bundle = open_bundle(files, head, decode(head.contents))
    bundle.parts._open[1] = Failing(path, places, number)
    return bundle, head


def test_a_place_that_cannot_be_read_is_named_and_the_rest_is_read(tmp_path):
    bundle, head = failing(tmp_path, [limits.CHUNK + 5], errno.EIO)
    result = verify(bundle, head, lambda event: None)
    assert [(place.offset, place.reason) for place in result.bad] == [(limits.CHUNK, UNREADABLE)]
    assert result.verified == result.chunks


@pytest.mark.parametrize("number", [errno.ENODEV, errno.ESTALE, errno.ENOTCONN])
def test_a_medium_that_is_gone_ends_it(tmp_path, number):
    bundle, head = failing(tmp_path, [limits.CHUNK + 5], number)
    with pytest.raises(MediumGone, match=os.strerror(number).lower()):
        verify(bundle, head, lambda event: None)


def test_a_medium_of_which_nothing_can_be_read_is_gone(tmp_path):
    """It says EIO as a bad place does."""
    bundle, head = failing(tmp_path, [limits.CHUNK + 5], errno.EIO)
    bundle.parts._open[1].answers = False
    with pytest.raises(MediumGone):
        verify(bundle, head, lambda event: None)


def test_a_bundle_that_says_another_digest_of_its_hashes_is_not_verified_at_all(tmp_path):
    BUNDLE.write(tmp_path)
    files = find(tmp_path)
    head = read_head(files)
    contents = replace(BUNDLE.contents, chunks=replace(BUNDLE.contents.chunks, digest="sha256:" + "0" * 64))
    with open_bundle(files, head, contents) as bundle:
        result = verify(bundle, head, lambda event: None)
    assert (result.verified, result.bad[0].members) == (0, ("the hashes of the chunks",))
