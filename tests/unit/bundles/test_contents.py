"""The table of contents: what is written is read again as it was, and what breaks a rule is refused whole."""

import json
from dataclasses import replace

import pytest

from kelvin_provision.bundles import limits
from kelvin_provision.bundles.contents import decode, encode
from kelvin_provision.bundles.model import AS_DELTA, IN_BOX, BundledDelta, BundledImage, BundledLayer, BundledRequest, Contents, Extent
from kelvin_provision.errors import BundleInvalid
from kelvin_provision.refs import Platform, Reference
from tests.kit.documents import with_value

PLATFORM = Platform("linux", "arm64", "v8")


def digest(number):
    return f"sha256:{number:064x}"


def bundle():
    """One request, and one image of which the box has a layer."""
    chunks = Extent(digest(1), 20_000, 32)
    request = BundledRequest("0001.json", Extent(digest(2), 21_000, 300), Extent(digest(3), 22_000, 500))
    blobs = (Extent(digest(4), 30_000, 700), Extent(digest(5), 31_000, 800), Extent(digest(6), 40_000, 9_000))
    layers = (BundledLayer(digest(6), 9_000, digest(7), 50_000), BundledLayer(digest(8), 123, digest(9), 456, IN_BOX))
    reference = Reference.parse(f"registry.example/team/pump:1@{digest(4)}")
    image = BundledImage(reference, PLATFORM, digest(4), digest(5), layers)
    files = (("index.json", Extent(digest(10), 25_000, 90)),)
    total = 51_200
    return Contents(
        "pump-1", "kelvin-provision 1", (PLATFORM,), (request,), (image,), blobs, files, chunks, total, (50_000, 1_200), ("north",),
        (digest(8),), 3,
    )  # fmt: skip


def test_what_is_written_is_read_as_it_was():
    assert decode(encode(bundle())) == bundle()
    assert encode(decode(encode(bundle()))) == encode(bundle())


def changed(path, value):
    return with_value(encode(bundle()), path, value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), 2),
        (("kind",), "trust"),
        (("name",), "../etc"),
        (("name",), "x" * 129),
        (("serial",), -1),
        (("serial",), True),
        (("serial",), 1 << 53),
        (("total",), 51_201),
        (("total",), 30_000),
        (("parts",), [51_200] * 1_000),
        (("parts",), [51_200, 0]),
        (("made_by",), "\x1b[31m"),
        (("extra",), 1),
        (("platforms",), ["linux"]),
        (("boxes",), [1]),
        (("needs",), []),
        (("needs",), ["md5:00"]),
        (("annotations",), {"a": 1}),
        (("chunks", "size"), 512),
        (("chunks", "content", 2), 64),
        (("blobs", 0), [digest(4), 30_000]),
        (("blobs", 0, 2), 2_000),
        (("blobs", 0, 0), digest(5)),
        (("blobs", 2, 0), digest(99)),
        (("blobs", 2, 1), 60_000),
        (("blobs", 1, 1), 29_000),
        (("requests", 0, "name"), "a/b"),
        (("requests", 0, "content", 2), limits.REQUEST + 1),
        (("requests", 0, "other"), 1),
        (("files", 0, 0), ".."),
        (("files", 0, 2), 10),
        (("images", 0, "reference"), "registry.example/team/pump:1"),
        (("images", 0, "reference"), f"registry.example/team/pump:1@{digest(77)}"),
        (("images", 0, "reference"), "UPPER@"),
        (("images", 0, "manifest"), digest(77)),
        (("images", 0, "config"), digest(77)),
        (("images", 0, "platform"), "linux/arm64/v8/x"),
        (("images", 0, "layers", 0, "size"), 1),
        (("images", 0, "layers", 0, "in"), "box"),
        (("images", 0, "layers", 1, "in"), "bundle"),
        (("images", 0, "layers", 1, "in"), "delta"),
        (("images", 0, "layers"), [{}] * 257),
    ],
)
def test_what_breaks_a_rule_is_refused(path, value):
    with pytest.raises(BundleInvalid):
        decode(changed(path, value))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b"\xff",
        b'{"schema":1,"schema":1}',
        b"[" * 100_000,
        b'{"a":' * 9 + b"1" + b"}" * 9,
        b'{"total":1e3}',
        b'{"total":NaN}',
        b'{"total":' + b"9" * 5_000 + b"}",
        b" " * (limits.CONTENTS + 1),
    ],
    ids=lambda data: f"{data[:12]!r} of {len(data)}",
)
def test_what_is_no_table_of_contents_is_refused(data):
    with pytest.raises(BundleInvalid):
        decode(data)


def test_a_blob_twice_is_refused():
    twice = replace(bundle(), blobs=(*bundle().blobs, Extent(digest(6), 50_000, 9)))
    with pytest.raises(BundleInvalid):
        decode(encode(twice))


def test_a_byte_is_found_in_its_part():
    assert [bundle().part_of(offset) for offset in (0, 49_999, 50_000, 51_199)] == [(1, 0), (1, 49_999), (2, 0), (2, 1_199)]


def with_delta(**changes):
    """The first layer comes as a delta, in the place of its own bytes."""
    known = bundle()
    (image,) = known.images
    layers = (replace(image.layers[0], source=AS_DELTA), image.layers[1])
    blobs = (*known.blobs[:2], Extent(digest(20), 40_000, 4_000))
    deltas = (replace(BundledDelta(digest(20), digest(6), (digest(21), digest(22)), 4096), **changes),)
    return replace(known, images=(replace(image, layers=layers),), blobs=blobs, deltas=deltas)


def test_a_delta_is_read_as_it_was_written_and_a_bundle_without_says_nothing_of_deltas():
    assert decode(encode(with_delta())) == with_delta()
    assert b"deltas" not in encode(bundle())


@pytest.mark.parametrize(
    "broken",
    [
        with_delta(digest=digest(30)),
        with_delta(target=digest(8)),
        with_delta(target=digest(30)),
        with_delta(needs=()),
        with_delta(needs=tuple(digest(number) for number in range(17))),
        with_delta(memory=-1),
        replace(with_delta(), deltas=()),
        replace(with_delta(), deltas=with_delta().deltas * 2),
        replace(with_delta(), deltas=(*with_delta().deltas, BundledDelta(digest(31), digest(6), (digest(21),), 1))),
        replace(with_delta(), blobs=(*with_delta().blobs[:2], Extent(digest(20), 40_000, 9_000))),
        replace(bundle(), deltas=with_delta().deltas),
    ],
    ids=[
        "missing",
        "of another layer",
        "of no layer",
        "out of nothing",
        "out of too many",
        "memory",
        "none",
        "twice",
        "second missing",
        "no smaller",
        "of a whole layer",
    ],
)
def test_a_delta_that_breaks_a_rule_is_refused(broken):
    with pytest.raises(BundleInvalid):
        decode(encode(broken))


@pytest.mark.parametrize("key", ["digest", "target", "needs", "memory"])
def test_a_delta_with_a_wrong_or_missing_value_is_refused(key):
    document = json.loads(encode(with_delta()))
    for change in (lambda row: row.pop(key), lambda row: row.update({key: None}), lambda row: row.update({"more": 1})):
        broken = json.loads(json.dumps(document))
        change(broken["deltas"][0])
        with pytest.raises(BundleInvalid):
            decode(json.dumps(broken).encode())
