"""Which space requests are admitted, and what an image requests on which filesystem."""

from pathlib import Path

import pytest

from kelvin_provision.quantity import Headroom
from kelvin_provision.refs import Descriptor, Platform, Reference
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.staging.space import Filesystems, describe, layer_chains, space_requests
from kelvin_provision.store.space import Filesystem, Shortage, SpaceRequest, admit, filesystem_of, merged, shortages

MIB = 1 << 20
GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
DISK, OTHER = Filesystem(1, Path("/"), 100), Filesystem(2, Path("/var"), 50, headroom=10)


def request(what, count, device=1, *, exact=True):
    return SpaceRequest(what, device, count, exact)


def test_requests_of_one_name_are_merged_to_the_largest():
    assert merged([request("a", 3), request("b", 1), request("a", 5), request("a", 4), request("a", 2, device=2)]) == (
        request("a", 5),
        request("b", 1),
        request("a", 2, device=2),
    )


def test_what_fits_to_the_byte_fits():
    assert shortages([DISK, OTHER], [request("a", 60), request("b", 40), request("c", 40, device=2)]) == ()


def test_every_filesystem_with_a_shortage_is_named_with_its_numbers():
    short = shortages([DISK, OTHER, DISK], [request("a", 101, exact=False), request("b", 20), request("c", 41, device=2)])
    assert short == (Shortage(DISK, 121, 101, 0), Shortage(OTHER, 41, 0, 0))
    assert [one.usable for one in short] == [100, 40]


def test_reserved_space_is_not_free_and_a_shared_request_counts_once():
    assert shortages([DISK], [request("a", 60)], [request("b", 41)]) == (Shortage(DISK, 60, 0, 41),)
    assert shortages([DISK], [request("a", 60), request("shared", 40)], [request("shared", 40)]) == ()


def test_a_request_for_nothing_fits_on_a_full_filesystem():
    full = Filesystem(1, Path("/"), 0, headroom=10)
    assert shortages([full, OTHER], [request("a", 0), request("b", 1, device=2)]) == ()
    assert shortages([full], [request("a", 1)])[0].usable == 0


def test_first_come_first_served_and_what_does_not_fit_blocks_nobody():
    first, huge, third = [request("a", 60)], [request("b", 500)], [request("c", 30)]
    assert admit([DISK], [], [first, huge, third]) == (request("a", 60), request("c", 30))
    assert shortages([DISK], [request("d", 20)], admit([DISK], [], [first, huge, third])) == (Shortage(DISK, 20, 0, 90),)


def test_the_filesystem_of_a_missing_path_is_found(tmp_path):
    filesystem = filesystem_of(tmp_path / "not" / "there", Headroom(bytes=5))
    assert (filesystem.device, filesystem.headroom) == (tmp_path.stat().st_dev, 5)
    assert filesystem.mount_point.is_mount()
    assert filesystem_of(tmp_path, Headroom(percent=50)).headroom > filesystem.free / 4 or filesystem.free == 0


def layer(name, size, media_type=GZIP):
    return Descriptor(media_type, f"sha256:{name * 64}", size)


def image(name, *parts, diff_ids=None):
    manifest, config = layer(name, 10), layer(name.upper(), 5)
    ids = diff_ids if diff_ids is not None else tuple(f"diff {part.digest}" for part in parts)
    return ImageLock(Reference.parse(f"r.io/{name}:1"), Platform("linux", "amd64"), manifest, config, parts, ids)


BASE, NEW, PLAIN = layer("1", 1000), layer("2", 200), layer("3", 70, "application/vnd.oci.image.layer.v1.tar")
ONE_DISK = Filesystems(DISK, DISK, DISK)


def sums(found, word=""):
    return sum(one.bytes for one in found if one.name.startswith(word))


def test_an_image_needs_its_missing_bytes_and_its_copies_in_the_runtime():
    found = space_requests([image("a", BASE, PLAIN)], ONE_DISK, present=lambda blob: 400 if blob == BASE else 0)
    assert (sums(found, "sha256:"), sums(found, "runtime "), sums(found, "unpacked ")) == (600 + 70 + 15, 1085, 3 * 1000 + 70)
    assert [one.exact for one in found if one.name.startswith("unpacked ")] == [False, True]


def test_layers_that_the_runtime_has_of_an_earlier_version_are_not_counted_twice():
    before, after = image("a", BASE), image("b", BASE, NEW)
    found = space_requests([after], ONE_DISK, present=lambda blob: blob.size, loaded=[before])
    assert (sums(found, "runtime "), sums(found, "unpacked ")) == (215, 600)


def test_two_new_images_share_their_base_and_an_image_that_is_loaded_needs_nothing():
    one, two = image("a", BASE), image("b", BASE, NEW)
    together = space_requests([one, two], ONE_DISK, present=lambda _: 0)
    assert sums(together, "unpacked ") == 3 * 1200
    assert sums(together, "sha256:") == 1200 + 30
    assert sums(space_requests([one], ONE_DISK, present=lambda blob: blob.size, loaded=[one])) == 0


def test_a_layer_on_other_layers_is_unpacked_again():
    assert {chain for chain, _ in layer_chains(image("a", NEW, BASE))} & {
        chain for chain, _ in layer_chains(image("b", BASE, NEW))
    } == set()
    assert len(dict(layer_chains(image("a", BASE, NEW, diff_ids=())))) == 2  # a config that does not fit its manifest


def test_docker_keeps_no_compressed_layers_and_writes_the_largest_archive_once_more():
    found = space_requests([image("a", BASE), image("b", NEW)], Filesystems(DISK, OTHER, None, OTHER), present=lambda _: 0)
    assert [(one.device, one.bytes) for one in found if one.name == "archive"] == [(2, 1015)]
    assert sums(found, "runtime ") == 0


def test_a_remote_runtime_needs_no_space_here():
    assert sums(space_requests([image("a", BASE)], Filesystems(DISK), present=lambda _: 0)) == 1015


@pytest.mark.parametrize(
    ("short", "text"),
    [
        (Shortage(Filesystem(1, Path("/"), 2 * MIB), 3 * MIB, 0, 0), "/ needs 3.0 MiB and has 2.0 MiB available"),
        (
            Shortage(Filesystem(1, Path("/var"), 20 * MIB, headroom=5 * MIB), 31 * MIB, 24 * MIB, 3 * MIB),
            "/var needs 31 MiB (24 MiB of it estimated) and has 12 MiB available (5.0 MiB kept free, 3.0 MiB reserved for other workloads)",
        ),
    ],
)
def test_a_shortage_is_described(short, text):
    assert describe(short) == text
