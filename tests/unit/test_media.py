"""Bundles on media as a source of images: found wherever they are mounted, read where a transfer ended, and waited for."""

import os
from contextlib import nullcontext

import pytest

from kelvin_provision.errors import BundleDamaged, ImageNotFound, MediumGone, PlatformMissing
from kelvin_provision.ledger import requests
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.reading.bundles import ImportedBundle
from kelvin_provision.ledger.requests import Brought
from kelvin_provision.media import kept
from kelvin_provision.media.finding import Finder
from kelvin_provision.media.mounts import Mounts
from kelvin_provision.media.source import BundleSource
from kelvin_provision.refs import Descriptor, Platform, Reference
from kelvin_provision.store import Store
from kelvin_provision.wait_reason import WaitKind, describe
from tests.kit import bundles
from tests.kit.images import make_image, random_image, tar_of
from tests.kit.ledgers import migrated
from tests.kit.locks import AMD64, lock_of

REFERENCE = "r.io/pump:1.0.0"
IMAGE = random_image([5000, 70_000])
LOCK = lock_of(IMAGE, REFERENCE)
LAYER = LOCK.layers[1]
ROOT = "22 1 8:1 / / rw - ext4 /dev/sda1 rw"


class World:
    """A box that knows bundles, and a table of mounts that a test writes."""

    def __init__(self, path):
        self.path, self.state = path, path / "state"
        self.table, self.uuids = path / "mountinfo", path / "by-uuid"
        self.uuids.mkdir()
        self.mounted()
        self.ledger = Ledger(migrated(self.state / "ledger.db"))
        self.store = Store(self.state)
        self.mounts = Mounts(self.table, self.uuids)

    @property
    def source(self):
        return BundleSource(self.ledger, lambda: self.store, self.state, self.mounts)

    def mounted(self, *points):
        lines = [
            f"{40 + n} 22 8:{16 + n} / {str(point).replace(' ', chr(92) + '040')} rw - vfat /dev/sd{n} rw" for n, point in enumerate(points)
        ]
        self.table.write_text("\n".join([ROOT, *lines]) + "\n")

    def know(self, bundle, *places):
        kept.keep(self.state, bundle.digest, bundle.table)
        media = tuple(map(self.mounts.medium_of, places))
        known = ImportedBundle(bundle.digest, bundle.contents.name, 0, (), "2026-11-28T09:00:00Z", "anna", media, (LOCK,))
        requests.import_bundle(self.ledger, Brought(known), "batch", actor="anna")


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def read(source, blob=LAYER, offset=0, reference=REFERENCE):
    with source.blob(Reference.parse(reference), blob, offset) as stream:
        assert stream.start == offset
        return b"".join(stream.chunks)


def test_a_blob_is_read_from_any_byte_on(world):
    bundle = bundles.write(world.path / "stick", {REFERENCE: IMAGE})
    world.know(bundle, world.path / "stick" / "bundle.kpb")
    for offset in (0, 1, LAYER.size - 1, LAYER.size):
        assert read(world.source, offset=offset) == IMAGE.blobs[LAYER.digest][offset:]


def test_what_no_bundle_has_is_not_found(world):
    with pytest.raises(ImageNotFound):
        read(world.source)
    world.know(bundles.write(world.path / "stick", {"r.io/fan:1": random_image([10])}), world.path / "stick" / "bundle.kpb")
    with pytest.raises(ImageNotFound):
        read(world.source)
    with pytest.raises(ImageNotFound):
        world.source.resolve(Reference.parse(REFERENCE), AMD64)
    with pytest.raises(ImageNotFound):
        read(world.source, Descriptor(LAYER.media_type, LAYER.digest, LAYER.size + 1))


@pytest.mark.parametrize(
    "reference", [REFERENCE, f"r.io/pump@{IMAGE.digest}", f"{REFERENCE}@{IMAGE.digest}"], ids=["tag", "digest", "both"]
)
def test_an_image_is_resolved_as_at_a_registry(world, reference):
    world.know(bundles.write(world.path / "stick", {REFERENCE: IMAGE}), world.path / "stick" / "bundle.kpb")
    resolved = world.source.resolve(Reference.parse(reference), AMD64)
    assert resolved.lock == lock_of(IMAGE, reference)
    assert set(resolved.documents) == {LOCK.manifest.digest, LOCK.config.digest}


def test_of_several_platforms_the_one_of_this_box_is_taken(world):
    arm = make_image([tar_of({"a": b"arm"})], architecture="arm64")
    bundle = bundles.write(world.path / "stick", {REFERENCE: {"linux/amd64": IMAGE, "linux/arm64": arm}})
    world.know(bundle, world.path / "stick" / "bundle.kpb")
    lock = world.source.resolve(Reference.parse(REFERENCE), Platform("linux", "arm64")).lock
    assert (lock.manifest.digest, lock.index is not None) == (arm.digest, True)
    with pytest.raises(PlatformMissing):
        world.source.resolve(Reference.parse(REFERENCE), Platform("linux", "s390x"))


def test_documents_that_the_store_has_need_no_medium(world):
    bundle = bundles.write(world.path / "stick", {REFERENCE: IMAGE})
    world.know(bundle, world.path / "stick" / "bundle.kpb")
    world.store.layout.create()
    for digest, data in world.source.resolve(Reference.parse(REFERENCE), AMD64).documents.items():
        world.store.put(Descriptor("", digest, len(data)), data)
    (world.path / "stick" / "bundle.kpb").unlink()
    assert world.source.resolve(Reference.parse(REFERENCE), AMD64).lock == LOCK


def test_a_bundle_is_found_at_another_mount_point_by_its_filesystem_or_by_its_name(world):
    first, second = world.path / "media one", world.path / "two"
    bundle = bundles.write(first / "updates", {REFERENCE: IMAGE})
    world.mounted(first)
    world.know(bundle, first / "updates" / "bundle.kpb")
    first.rename(second)
    world.mounted()
    with pytest.raises(MediumGone) as caught:
        read(world.source)
    assert describe(caught.value.wait_reason) == "waits for the stick bundle"
    world.mounted(second)
    assert read(world.source) == IMAGE.blobs[LAYER.digest]
    (second / "updates" / "bundle.kpb").rename(second / "bundle.kpb")
    assert read(world.source) == IMAGE.blobs[LAYER.digest]


def test_another_bundle_of_the_same_name_is_not_taken_for_it(world):
    place = world.path / "stick" / "bundle.kpb"
    world.know(bundles.write(place.parent, {REFERENCE: IMAGE}), place)
    other = bundles.write(place.parent, {REFERENCE: IMAGE}, serial=1)
    assert other.contents.total == place.stat().st_size
    with pytest.raises(MediumGone):
        read(world.source)
    world.know(other, place)
    assert read(world.source) == IMAGE.blobs[LAYER.digest]


def test_parts_may_be_on_several_media_and_the_missing_one_is_named(world):
    bundle = bundles.make({REFERENCE: IMAGE}, part_size=40_960)
    one, two = world.path / "one", world.path / "two"
    paths = bundle.write(one)
    two.mkdir()
    for path in paths[1:]:
        path.rename(two / path.name)
    world.know(bundle, paths[0])
    with pytest.raises(MediumGone) as caught:
        read(world.source)
    assert caught.value.wait_reason.kind is WaitKind.MEDIUM
    assert caught.value.wait_reason.detail == "bundle, part 2"
    world.mounted(two)
    assert read(world.source) == IMAGE.blobs[LAYER.digest]


def test_a_blob_over_two_parts_ends_where_the_second_is_missing(world):
    whole = bundles.make({REFERENCE: IMAGE})
    middle = whole.contents.by_digest[LAYER.digest].offset + 4096
    bundle = bundles.make({REFERENCE: IMAGE}, part_size=middle // 4096 * 4096)
    paths = bundle.write(world.path / "stick")
    world.know(bundle, paths[0])
    for path in paths[1:]:
        path.unlink()
    received = b""
    with pytest.raises(MediumGone, match="the stick bundle, part 2 is not there"), world.source.blob(LOCK.reference, LAYER, 0) as stream:  # noqa: PT012
        for chunk in stream.chunks:
            received += chunk
    assert received
    assert IMAGE.blobs[LAYER.digest].startswith(received)


def test_parts_that_were_joined_on_another_medium_are_one_file(world):
    bundle = bundles.make({REFERENCE: IMAGE}, part_size=40_960)
    paths = bundle.write(world.path / "stick")
    world.know(bundle, paths[0])
    for path in paths:
        path.unlink()
    (world.path / "stick" / "bundle.kpb").write_bytes(bundle.data)
    assert read(world.source) == IMAGE.blobs[LAYER.digest]


@pytest.mark.parametrize("pulled", [True, False], ids=["truncated", "unlinked"])
def test_a_medium_that_is_pulled_while_it_is_read_is_waited_for_or_read_to_the_end(world, pulled):
    image = random_image([5 << 20])
    layer = lock_of(image, REFERENCE).layers[0]
    place = world.path / "stick" / "bundle.kpb"
    world.know(bundles.write(place.parent, {REFERENCE: image}), place)
    received = b""
    expected = pytest.raises(MediumGone) if pulled else nullcontext()
    with expected as caught, world.source.blob(LOCK.reference, layer, 0) as stream:
        for chunk in stream.chunks:
            received += chunk
            os.truncate(place, 100_000) if pulled else place.unlink(missing_ok=True)
    assert image.blobs[layer.digest].startswith(received)
    assert (len(received) == layer.size) is not pulled
    if caught:
        assert caught.value.wait_reason.detail == "bundle"
        assert caught.value.evidence
    with pytest.raises(MediumGone):
        read(world.source, layer)


def test_the_table_of_contents_is_read_again_where_the_box_has_lost_it(world):
    place = world.path / "stick" / "bundle.kpb"
    bundle = bundles.write(place.parent, {REFERENCE: IMAGE})
    world.know(bundle, place)
    kept.path(world.state, bundle.digest).write_bytes(b"{}")
    assert read(world.source) == IMAGE.blobs[LAYER.digest]


def test_a_table_of_contents_that_is_read_again_has_its_digest_also_where_the_file_looks_as_before(world):
    place = world.path / "stick" / "bundle.kpb"
    bundle = bundles.write(place.parent, {REFERENCE: IMAGE})
    world.know(bundle, place)
    (known,), finder, before = world.ledger.bundles(), Finder(world.mounts), place.stat()
    assert finder.head(known) == bundle.table
    place.write_bytes(place.read_bytes().replace(b'"made_by"', b'"made_bY"', 1))
    os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert finder.head(known) is None


def test_a_damaged_document_is_refused(world):
    place = world.path / "stick" / "bundle.kpb"
    bundle = bundles.write(place.parent, {REFERENCE: IMAGE})
    world.know(bundle, place)
    with place.open("r+b") as file:
        file.seek(bundle.contents.by_digest[LOCK.config.digest].offset)
        file.write(b"!")
    with pytest.raises(BundleDamaged):
        world.source.resolve(Reference.parse(REFERENCE), AMD64)


def test_a_medium_that_comes_or_goes_changes_what_is_seen(world):
    assert world.source.changes() == world.source.changes()
    place = world.path / "stick" / "bundle.kpb"
    world.know(bundles.write(place.parent, {REFERENCE: IMAGE}), place)
    seen = [world.source.changes()]
    world.mounted(world.path / "elsewhere")
    seen.append(world.source.changes())
    place.rename(place.with_name("x"))
    seen.append(world.source.changes())
    assert len(set(seen)) == 3
    assert world.source.changes() == seen[-1]


def test_what_is_kept_of_bundles_is_private_and_goes_with_them(world):
    bundle = bundles.make()
    kept.keep(world.state, bundle.digest, bundle.table)
    assert (kept.folder(world.state).stat().st_mode & 0o777, kept.path(world.state, bundle.digest).stat().st_mode & 0o777) == (0o700, 0o600)
    kept.forget_others(world.state, {bundle.digest})
    assert kept.load(world.state, bundle.digest) == bundle.contents
    kept.forget_others(world.state, set())
    assert kept.load(world.state, bundle.digest) is None


def test_the_last_of_two_mounts_at_one_place_and_the_deepest_one_hold_a_file(world):
    place = world.path / "a" / "b" / "x.kpb"
    place.parent.mkdir(parents=True)
    world.table.write_text(
        f"{ROOT}\n30 22 8:17 / {world.path}/a rw - ext4 /dev/sdb1 rw\n31 22 8:18 / {world.path}/a rw - vfat /dev/sdc1 rw\nodd line\n"
    )
    medium = world.mounts.medium_of(place)
    assert (medium.path, medium.place) == ("b/x.kpb", str(place))
    assert [mount.device for mount in world.mounts.media()] == ["8:17", "8:18"]


def test_other_mounts_and_what_is_written_beside_a_bundle_change_nothing(world):
    place = world.path / "stick" / "bundle.kpb"
    world.know(bundles.write(place.parent, {REFERENCE: IMAGE}), place)
    before = world.source.changes()
    with world.table.open("a") as table:
        table.write("60 22 0:70 / /run/pod/1 rw - overlay overlay rw\n61 22 0:71 / /run/pod/2 rw - tmpfs tmpfs rw\n")
    (place.parent / "note.txt").write_text("of another program")
    assert world.source.changes() == before
    place.parent.rename(world.path / "pulled")
    place.parent.mkdir()
    gone = world.source.changes()
    place.parent.rename(world.path / "another")
    place.parent.mkdir()
    assert len({before, gone, world.source.changes()}) == 3


def test_what_may_be_on_a_network_is_not_searched(world):
    local = ["fuseblk /dev/sdb1", "fuse.fusefat x", "fusefat x", "fuse.exfat-fuse x", "fuse.ntfs-3g x", "vfat /dev/sdc1", "ext4 /dev/loop0"]
    others = ["fuse.sshfs a@b:/", "fuse.s3fs s3fs", "fuse.sshfs /dev/sdd1", "fuse /dev/fuse", "nfs4 b:/", "cifs //b/c"]
    devices = ["ext4 /dev/nbd0", "ext4 /dev/rbd0", "ext4 /dev/drbd0"]
    kinds = [*local, *others, *devices]
    lines = [f"{40 + n} 22 9:{n} / /m/{n} rw - {kind} rw" for n, kind in enumerate(kinds)]
    world.table.write_text("\n".join([ROOT, *lines]) + "\n")
    assert [f"{mount.kind} {mount.source}" for mount in world.mounts.media()] == local


def test_a_table_of_contents_is_decoded_once_however_many_bundles_and_blobs_there_are(world, monkeypatch):
    images = {f"r.io/{name}:1": random_image([5000, 6000]) for name in "abc"}
    for name, image in images.items():
        place = world.path / name[5] / "bundle.kpb"
        world.know(bundles.write(place.parent, {name: image}), place)
    decoded = []
    load = kept.load
    monkeypatch.setattr(kept, "load", lambda state, digest: decoded.append(digest) or load(state, digest))
    source = world.source
    for _ in range(2):
        for name, image in images.items():
            assert all(source.has(blob) for blob in lock_of(image, name).blobs())
    assert len(decoded) == 3
    blobs = lock_of(images["r.io/a:1"], "r.io/a:1").layers
    assert [read(source, blob) for blob in blobs] == [images["r.io/a:1"].blobs[blob.digest] for blob in blobs]
    assert len(decoded) <= 4
    with world.ledger.writing() as db:
        db.execute("DELETE FROM bundles WHERE digest = ?", (decoded[0],))
    known = {bundle.digest for bundle in world.ledger.bundles()}
    had = [any(source.has(blob) for blob in lock_of(image, name).blobs()) for name, image in images.items()]
    assert (len(known), had.count(True)) == (2, 2)


def test_a_place_that_the_system_refuses_does_not_end_the_search(world):
    """A name that is too long stands for every error other than "no such file"."""
    place = world.path / "stick" / "bundle.kpb"
    world.know(bundles.write(place.parent, {REFERENCE: IMAGE}), place, world.path / ("x" * 300))
    assert [len(medium.place) > 255 for medium in world.ledger.bundles()[0].media] == [True, False]
    assert read(world.source) == IMAGE.blobs[LAYER.digest]
