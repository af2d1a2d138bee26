"""Bundles are files, and read through their table of contents, from media that may be hostile, incomplete or pulled out."""

import errno
import os
import shutil
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from kelvin_provision.bundles import limits
from kelvin_provision.bundles.contents import decode
from kelvin_provision.bundles.inspection import missing_warning
from kelvin_provision.bundles.on_media import on_media
from kelvin_provision.bundles.opening import candidates, find, open_bundle, read_head
from kelvin_provision.bundles.part_file import PartFile, trouble
from kelvin_provision.bundles.parts import BLOCK, BundleFiles, Parts
from kelvin_provision.bundles.writing.layout import CONTENTS_AT, SIGNATURES_AT
from kelvin_provision.errors import BundleDamaged, BundleInvalid, BundleMissing, FileUnreadable, MediumGone
from kelvin_provision.files.hashing import digest_of
from tests.kit import bundles
from tests.kit.images import make_image

REQUEST = b'{"name": "pump"}'
LAYERS = (b"first" * 9_000, os.urandom(3 * BLOCK), b"")


def small(layers=(b"layer " * 700,), part=0, name="pump"):
    """A bundle of one image and one request."""
    image = make_image(list(layers), compress=False)
    return bundles.make({"registry.example/team/pump:1": image}, [REQUEST], name=name, part_size=part)


def written(folder, name="pump", part=0, layers=(b"layer " * 700,)):
    """The bundle as files in a folder; returns the files and the table of contents."""
    bundle = small(layers, part, name)
    return bundle.write(folder), bundle.contents


def opened(*places):
    files = find(*places)
    start = read_head(files)
    return open_bundle(files, start, decode(start.contents))


@pytest.mark.parametrize("part", [0, 65_536, 1_000_001])
def test_a_bundle_is_read_whole_or_in_parts(tmp_path, part):
    _, contents = written(tmp_path, part=part, layers=LAYERS)
    with opened(tmp_path) as bundle:
        assert bundle.contents == contents
        assert bundle.missing == ()
        assert bundle.content(contents.requests[0].content) == REQUEST
        assert b"".join(bundle.blob(digest_of(LAYERS[1]))) == LAYERS[1]
        assert b"".join(bundle.blob(digest_of(LAYERS[1]), BLOCK + 7)) == LAYERS[1][BLOCK + 7 :]
        assert max(map(len, bundle.blob(digest_of(LAYERS[1])))) <= BLOCK
        assert b"".join(bundle.blob(digest_of(b""))) == b""
        assert bundle.document(contents.images[0].manifest)
        assert bundle.digest == digest_of(read_head(bundle.files).contents)
        with pytest.raises(KeyError):
            bundle.blob("sha256:" + "0" * 64)


def test_parts_joined_are_the_whole(tmp_path):
    files, contents = written(tmp_path, part=65_536)
    whole = tmp_path / "all" / "pump.kpb"
    whole.parent.mkdir()
    whole.write_bytes(b"".join(file.read_bytes() for file in files))
    with opened(whole) as bundle:
        assert bundle.content(contents.requests[0].content) == REQUEST
        assert {bundle.parts_of(blob.digest) for blob in contents.blobs} == {(1,)}


# --- finding --------------------------------------------------------------------------------------------


def test_any_part_leads_to_its_siblings(tmp_path):
    files, _ = written(tmp_path, part=20_000)
    assert find(files[-1]) == find(tmp_path) == BundleFiles("pump", dict(enumerate(files, 1)))


def test_a_file_may_be_called_anything(tmp_path):
    file, _ = written(tmp_path)[0][0], None
    assert find(file.rename(tmp_path / "upload-7")) == BundleFiles("upload-7", {1: tmp_path / "upload-7"}, whole=True)


def test_what_other_systems_leave_on_a_stick_is_no_bundle(tmp_path):
    (tmp_path / "._pump.kpb").write_bytes(b"x")
    (tmp_path / "folder.kpb").mkdir()
    (tmp_path / "pump.kpb.000").write_bytes(b"x")
    (tmp_path / "pump.kpb.1").write_bytes(b"x")
    assert candidates(tmp_path) == ()
    with pytest.raises(BundleMissing, match="has no bundle"):
        find(tmp_path)


def test_several_bundles_are_to_choose_from(tmp_path):
    written(tmp_path, "a")
    written(tmp_path, "b", part=20_000)
    with pytest.raises(BundleMissing) as caught:
        find(tmp_path)
    assert caught.value.evidence == (f"{tmp_path}/a.kpb", f"{tmp_path}/b.kpb.001")
    assert [files.name for files in candidates(tmp_path)] == ["a", "b"]


def test_a_place_that_is_not_there_is_missing(tmp_path):
    for place in (tmp_path / "none", tmp_path / ("x" * 300)):
        with pytest.raises(BundleMissing):
            find(place)


def test_a_place_whose_name_is_not_text_is_refused_and_says_what_to_do(tmp_path):
    """In the middle of an import, this was once an error of class OurBug."""
    good = written(tmp_path / "stick")[0][0]
    parts, _ = written(tmp_path / "linked", part=20_000)
    bad = Path(os.fsdecode(os.fsencode(tmp_path) + b"/b\xe4d"))
    inside = shutil.copy(good, bad.with_name(f"{bad.name}.kpb"))
    shutil.copytree(good.parent, bad)
    parts[1].unlink()
    parts[1].symlink_to(bad / good.name)
    assert candidates(tmp_path) == ()
    for place in (bad, bad / good.name, inside, tmp_path, parts[0]):
        with pytest.raises(BundleInvalid, match=r"b\\xe4d.* is not UTF-8") as caught:
            find(place)
        assert str(caught.value).isprintable()
        assert "rename the file or folder" in str(caught.value.hint)
    with pytest.raises(BundleInvalid, match="is not UTF-8"):
        find(good, inside)
    shutil.copy(good, tmp_path)
    assert find(tmp_path).paths == {1: tmp_path / good.name}
    assert [each.folder for each in on_media([tmp_path])] == [tmp_path, parts[0].parent, good.parent]


def test_parts_on_several_media_are_one_bundle(tmp_path):
    files, contents = written(tmp_path, part=20_000)
    second = tmp_path / "second"
    second.mkdir()
    files[1].rename(second / files[1].name)
    with opened(tmp_path) as bundle:
        assert bundle.missing == (2,)
    with opened(tmp_path, second) as bundle:
        assert bundle.missing == ()
        assert b"".join(bundle.read(0, contents.total)) == small(part=20_000).data
    written(tmp_path / "second", "other")
    with pytest.raises(BundleInvalid, match="two bundles"):
        find(tmp_path, written(tmp_path / "third", "stranger", part=20_000)[0][0])
    with pytest.raises(BundleInvalid, match="two bundles"):
        find(tmp_path, second / "other.kpb")


def test_only_the_parts_that_have_the_table_are_opened_for_it(tmp_path):
    files, _ = written(tmp_path, part=9 * BLOCK, layers=(os.urandom(30 * BLOCK),))
    files[3].unlink()
    files[3].symlink_to("/dev/zero")
    assert read_head(find(tmp_path)).contents


@pytest.mark.parametrize(
    ("missing", "text"),
    [
        ((), ""),
        ((2,), "part 2 is not here"),
        ((1, 3), "parts 1, 3 are not here"),
        ((2, 3, 4, 7, 9, 10), "parts 2 to 4, 7, 9 to 10 are not here"),
    ],
)
def test_parts_that_are_not_here_are_said_in_few_words(missing, text):
    assert missing_warning(missing) == text


# --- incomplete, cut off, mixed ---------------------------------------------------------------------------


def test_a_part_that_is_not_here_is_named(tmp_path):
    files, contents = written(tmp_path, part=20_000, layers=LAYERS)
    with opened(tmp_path) as bundle:
        last = max(bundle.parts_of(digest_of(LAYERS[1])))
    files[last - 1].unlink()
    with opened(tmp_path) as bundle:
        assert bundle.missing == (last,)
        assert bundle.content(contents.requests[0].content) == REQUEST
        with pytest.raises(MediumGone, match=f"part {last} of the bundle pump is not here"):
            list(bundle.blob(digest_of(LAYERS[1])))
    files[0].unlink()
    with pytest.raises(MediumGone, match="part 1 of the bundle pump"):
        read_head(find(tmp_path))


@pytest.mark.parametrize(("change", "what"), [(-1, "cut off"), (1, "of another bundle")])
@pytest.mark.parametrize("part", [0, 20_000])
def test_a_file_of_another_size_is_refused_before_it_is_read(tmp_path, part, change, what):
    files, contents = written(tmp_path, part=part)
    os.truncate(files[-1], files[-1].stat().st_size + change)
    with opened(tmp_path) as bundle, pytest.raises(BundleDamaged, match=what):
        list(bundle.read(contents.total - 1, 1))


@pytest.mark.parametrize("size", [0, 1, 512, SIGNATURES_AT, CONTENTS_AT - 1, CONTENTS_AT, CONTENTS_AT + 100])
def test_a_file_that_ends_before_its_table_does_is_refused(tmp_path, size):
    (file,), _ = written(tmp_path)
    os.truncate(file, size)
    with pytest.raises(BundleDamaged, match="ends before its table of contents"):
        read_head(find(file))


def test_a_file_that_shrinks_while_it_is_read_is_a_medium_that_is_gone(tmp_path):
    (file,), contents = written(tmp_path, layers=LAYERS)
    with opened(file) as bundle:
        blocks = bundle.blob(digest_of(LAYERS[1]))
        next(blocks)
        os.truncate(file, contents.chunks.end)
        with pytest.raises(MediumGone, match="ends at"):
            list(blocks)
        assert bundle.parts.opened[0].changed


def test_a_changed_member_is_damage_and_its_place_is_named(tmp_path):
    files, contents = written(tmp_path, part=20_000)
    where = contents.requests[0].content.offset
    number, offset = contents.part_of(where)
    data = bytearray(files[number - 1].read_bytes())
    data[offset] ^= 1
    files[number - 1].write_bytes(data)
    with opened(tmp_path) as bundle, pytest.raises(BundleDamaged, match=f"part {number}, byte {offset}"):
        bundle.content(contents.requests[0].content)


# --- what is no file ------------------------------------------------------------------------------------


def fifo(path):
    os.mkfifo(path)


def link(path):
    path.with_name("target").write_bytes(small().data)
    path.symlink_to("target")


def bound(path):
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(path.parent)
        server.bind(path.name)


@pytest.mark.parametrize(("make", "what"), [(fifo, "regular file"), (link, "is a link"), (bound, "regular file")])
def test_only_a_regular_file_is_read(tmp_path, monkeypatch, make, what):
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "pump.kpb")
    with pytest.raises(BundleInvalid, match=what):
        read_head(find(tmp_path))


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/tty"])
def test_a_device_is_refused(device):
    with pytest.raises((BundleInvalid, MediumGone)):
        PartFile(Path(device))


def test_a_file_without_content_that_says_nothing_of_its_size_is_refused():
    """Files of /proc have the size 0 and can be read without end."""
    with pytest.raises(BundleDamaged):
        read_head(BundleFiles("x", {1: Path("/proc/self/maps")}, whole=True))


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.EIO, MediumGone), (errno.ENODEV, MediumGone), (errno.ESTALE, MediumGone), (errno.ENOENT, MediumGone),
        (errno.ELOOP, BundleInvalid), (errno.EACCES, FileUnreadable),
    ],
)  # fmt: skip
def test_an_error_of_the_system_names_the_file(number, expected):
    files = trouble(OSError(number, os.strerror(number)), Path("/media/stick/pump.kpb"))
    assert type(files) is expected
    assert "/media/stick/pump.kpb" in str(files)


# --- a head that lies -------------------------------------------------------------------------------------


def header(size, name=b"kelvin/bundle.json", magic=b"ustar"):
    return name.ljust(124, b"\0") + size.ljust(133, b"\0") + magic.ljust(255, b"\0")


@pytest.mark.parametrize(
    "record",
    [
        header(b"00000000000\0"),
        header(b"%011o\0" % (limits.CONTENTS + 1)),
        header(b"77777777777\0"),
        header(b"\x80\0\0\0\0\0\0\0\0\0\0\x10"),
        header(b"-0000000001\0"),
        header(b"1_0\0"),
        header(b"00000000010\0", name=b"kelvin/chunks"),
        header(b"00000000010\0", magic=b"USTAR"),
        bytes(512),
        b"\xff" * 512,
    ],
)
def test_a_head_that_is_none_is_refused(tmp_path, record):
    data = bytearray(small().data)
    data[CONTENTS_AT - 512 : CONTENTS_AT] = record
    (tmp_path / "x.kpb").write_bytes(data)
    with pytest.raises(BundleInvalid):
        read_head(find(tmp_path))


@pytest.mark.parametrize("data", [bytes(40_000), os.urandom(40_000), b"PK\x03\x04" * 10_000])
def test_another_file_is_no_bundle(tmp_path, data):
    (tmp_path / "x.kpb").write_bytes(data)
    with pytest.raises(BundleInvalid, match=r"is not a bundle|the zip is not valid"):
        read_head(find(tmp_path), named=True)


def test_members_in_the_table_itself_are_refused(tmp_path):
    _, contents = written(tmp_path)
    start = read_head(find(tmp_path))
    low = replace(contents, chunks=replace(contents.chunks, offset=start.end - 1))
    with pytest.raises(BundleInvalid, match="in the table itself"):
        open_bundle(find(tmp_path), start, low)


def test_signatures_are_handed_on_as_they_are(tmp_path):
    record = header(b"00000000015\0")
    start = small().data[:SIGNATURES_AT] + b'{"a": 1}'.ljust(limits.SIGNATURES)
    (tmp_path / "x.kpb").write_bytes(start + record + b"not even JSON")
    start = read_head(find(tmp_path))
    assert (start.signatures.rstrip(), start.contents) == (b'{"a": 1}', b"not even JSON")
    assert len(start.signatures) == limits.SIGNATURES


def test_a_range_outside_of_the_bundle_is_refused(tmp_path):
    _, contents = written(tmp_path)
    with Parts(find(tmp_path), contents.parts) as parts:
        for offset, size in ((contents.total, 1), (-1, 2), (0, contents.total + 1)):
            with pytest.raises(BundleDamaged):
                list(parts.read(offset, size))


def test_a_file_that_goes_between_opening_and_looking_is_a_medium_that_is_gone(tmp_path, monkeypatch):
    path = tmp_path / "bundle.kpb"
    path.write_bytes(b"x")
    closed = []

    def not_connected(descriptor):
        raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", not_connected)
        patch.setattr(os, "close", closed.append)
        with pytest.raises(MediumGone, match="cannot be read"):
            PartFile(path)
    assert len(closed) == 1
    os.close(closed[0])
