"""A layer out of a delta: from bases in every form, and what is refused, with whom to blame."""

import dataclasses
import gzip
import io
import json
import os
import random
import subprocess
import sys

import pytest

from kelvin_provision.deltas import header, limits, zstd
from kelvin_provision.deltas.model import MAGIC, Blocks, LayerDelta, Ranges, Source, Tiles, held
from kelvin_provision.errors import DeltaBaseDamaged, DeltaBaseMissing, DeltaInvalid, Interrupted
from tests.fuzz import deltas as fuzz
from tests.kit import deltas
from tests.kit.images import sha256, stored_zstd, tar_of

SOURCE = random.Random(17)  # noqa: S311  (no secret; the names of tests have digests of it, which workers compare)
OLD = tar_of({"a": SOURCE.randbytes(9000), "b": b"text " * 900, "c": SOURCE.randbytes(700)})
NEW = tar_of({"a": OLD[512:9512], "b": b"text " * 899 + b"other", "c": SOURCE.randbytes(900), "d": b"more"})
DELTA = deltas.make(OLD, NEW)
BASE = sha256(OLD)


def streamed(data, window_log):
    """Without its size, so that its window is what was asked for."""
    coder = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: window_log})
    return coder.compress(data, zstd.ZstdCompressor.FLUSH_BLOCK) + coder.flush()


@pytest.mark.parametrize(
    "base",
    [
        OLD,
        gzip.compress(OLD),
        gzip.compress(OLD[:5000]) + gzip.compress(OLD[5000:]),
        gzip.compress(OLD) + bytes(512),
        zstd.compressed(OLD, b"", 3),
        zstd.compressed(OLD[:700], b"", 3) + streamed(OLD[700:], 24),
        b"\x50\x2a\x4d\x18\x04\0\0\0more" + stored_zstd(OLD),
    ],
    ids=["plain", "gzip", "members of gzip", "gzip and zeros", "zstd", "frames of zstd", "zstd after a frame to skip"],
)
def test_a_base_may_be_compressed_in_any_way(base):
    assert DELTA.rebuilt(bases={BASE: base}) == NEW


def test_a_longer_file_that_was_there_is_overwritten_and_cut(tmp_path):
    (tmp_path / "delta").write_bytes(DELTA.data)
    (tmp_path / "new").write_bytes(os.urandom(len(NEW) + 5000))
    (tmp_path / "old").write_bytes(OLD)
    from kelvin_provision.deltas.rebuilding import rebuild

    rebuild(tmp_path / "delta", DELTA.layer, lambda diff_id: (tmp_path / "old").open("rb"), tmp_path / "new")
    assert (tmp_path / "new").read_bytes() == NEW


def test_a_base_that_is_missing():
    with pytest.raises(DeltaBaseMissing, match=BASE[:19]):
        DELTA.rebuilt(bases={})


@pytest.mark.parametrize(
    "base",
    [
        b"",
        OLD[:5000],
        OLD[:100] + bytes((OLD[100] ^ 1,)) + OLD[101:],
        tar_of({"another": b"layer" * 9000}),
        gzip.compress(OLD)[:-600],
        gzip.compress(OLD)[:5000] + b"damaged" + gzip.compress(OLD)[5007:],
        zstd.compressed(OLD, b"", 3)[:-600],
        gzip.compress(OLD[:5000]),
    ],
    ids=range(8),
)
def test_a_base_with_other_content_is_to_blame(base):
    with pytest.raises(DeltaBaseDamaged, match=BASE[:19]):
        DELTA.rebuilt(bases={BASE: base})


def test_a_base_is_read_no_further_than_it_is_needed():
    """The layer has its digest all the same."""
    old = tar_of({"a": OLD, "z": os.urandom(900)})
    delta = deltas.make(old, tar_of({"a": OLD}))
    assert delta.rebuilt(bases={sha256(old): old[: len(OLD) + 512]}) == delta.new


def test_a_base_whose_window_takes_too_much_memory_is_not_read():
    data = os.urandom(1 << 10)
    base = tar_of({"a": data * 40})
    delta = deltas.make(base, tar_of({"a": data * 41}))
    assert delta.rebuilt(bases={sha256(base): streamed(base, 24)}) == delta.new
    with pytest.raises(DeltaBaseDamaged, match="16 MiB"):
        delta.rebuilt(bases={sha256(base): streamed(base, 27)})


def test_a_delta_of_another_image_is_refused_before_anything_is_read():
    other = deltas.make(OLD, OLD + b"other")
    with pytest.raises(DeltaInvalid, match="manifest"):
        DELTA.rebuilt(other.data, bases={})


@pytest.mark.parametrize("change", [{"size": 1}, {"needs": ()}, {"memory": 0}, {"diff_id": BASE}], ids=str)
def test_what_the_manifest_says_must_be_in_the_header(change):
    with pytest.raises(DeltaInvalid, match="manifest"):
        DELTA.rebuilt(layer=dataclasses.replace(DELTA.layer, **change))


def test_a_delta_that_makes_something_else_is_to_blame():
    frames = zstd.compressed(b"x" * sum(DELTA.parsed.blocks.lengths), b"", 3)
    tiles = DELTA.parsed.tiles
    lied = dataclasses.replace(
        DELTA.parsed, blocks=Blocks(DELTA.parsed.blocks.lengths, [len(frames)], [0]), ranges=Ranges([], [], []), memory=0, tiles=tiles
    )
    with pytest.raises(DeltaInvalid, match="another layer"):
        DELTA.rebuilt(header.encode(lied) + frames, layer=dataclasses.replace(DELTA.layer, memory=0))


def test_it_can_be_stopped():
    def stop():
        raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        deltas.rebuilt(DELTA.data, DELTA.layer, {BASE: OLD}, stop)


# --- hostile -----------------------------------------------------------------------------------------------


def one(**changes) -> LayerDelta:
    """Ten bytes of a source of 100, and 90 of a block with a dictionary."""
    fields = {
        "target": sha256(b"new"),
        "size": 100,
        "sources": (Source(BASE, 100),),
        "tiles": Tiles([10, 90], [0, 1], [0, 0]),
        "blocks": Blocks([90], [5], [1]),
        "ranges": Ranges([0], [0], [50]),
        "memory": 50,
    }
    return LayerDelta(**(fields | changes))


def read(delta, frames=5):
    data = delta if isinstance(delta, bytes) else header.encode(delta) + bytes(frames)
    return header.read(io.BytesIO(data), len(data))


def with_line(**fields):
    """A header whose line of JSON says something else."""
    encoded = header.encode(one())
    size = int.from_bytes(encoded[8:12], "little")
    raw = zstd.decompressed(encoded[12 : 12 + size], zstd.content_size(encoded[12:]))
    line, _, columns = raw.partition(b"\n")
    raw = json.dumps(json.loads(line) | fields).encode() + b"\n" + columns
    frame = zstd.compressed(raw, b"", 3)
    return MAGIC + len(frame).to_bytes(4, "little") + frame + bytes(5)


def test_the_pattern_of_the_hostile_ones_is_read():
    assert held(one().blocks, one().ranges) == 50
    assert read(one())[0].tiles.lengths.tolist() == [10, 90]
    assert read(with_line())[0].size == 100


@pytest.mark.parametrize(
    "changes",
    [
        {"size": 101},
        {"size": 99},
        {"tiles": Tiles([10, 90], [0, 2], [0, 0])},
        {"tiles": Tiles([10, 90], [0, 1 << 40], [0, 0])},
        {"tiles": Tiles([0, 10, 90], [0, 0, 1], [0, 0, 0])},
        {"tiles": Tiles([10, 90], [0, 1], [91, 0])},
        {"tiles": Tiles([10, 90], [0, 1], [1 << 46, 0])},
        {"tiles": Tiles([100], [0], [0])},
        {"tiles": Tiles([10, 90], [0, 0], [0, 10]), "blocks": Blocks([0], [5], [1])},
        {"blocks": Blocks([90], [0], [1])},
        {"blocks": Blocks([90], [limits.FRAME + 1], [1])},
        {"blocks": Blocks([90], [5], [2])},
        {"blocks": Blocks([90], [5], [0])},
        {"ranges": Ranges([1], [0], [50])},
        {"ranges": Ranges([0], [51], [50])},
        {"ranges": Ranges([0], [0], [0])},
        {"ranges": Ranges([0], [0], [7]), "memory": 7},
        {"ranges": Ranges([0, 0], [0, 20], [30, 30]), "blocks": Blocks([90], [5], [2]), "memory": 60},
        {"ranges": Ranges([0, 0], [60, 0], [30, 30]), "blocks": Blocks([90], [5], [2]), "memory": 60},
        {"memory": 49},
        {"memory": limits.HELD + 1},
        {"sources": ()},
        {"sources": (Source(BASE, 100), Source(BASE, 100))},
        {"sources": (Source("sha256:0", 100),)},
        {"sources": tuple(Source(sha256(bytes((number,))), 100) for number in range(17))},
        {"target": "x"},
        {"target": BASE},
        {
            "sources": (Source(BASE, 1 << 30),),
            "tiles": Tiles([10, 4 << 20, 90], [0, 1, 2], [0, 0, 0]),
            "size": 100 + (4 << 20),
            "blocks": Blocks([4 << 20, 90], [2, 3], [1, 1]),
            "ranges": Ranges([0, 0], [0, 0], [(8 << 20) + 1, 8]),
            "memory": (8 << 20) + 9,
        },
    ],
    ids=range(28),
)
def test_a_number_out_of_range_is_refused(changes):
    delta = one(**changes)
    with pytest.raises(DeltaInvalid):
        read(delta, sum(delta.blocks.frames))


@pytest.mark.parametrize(
    "fields",
    [{"size": -1}, {"size": True}, {"size": 1.5}, {"size": 1 << 60}, {"tiles": 3}, {"tiles": 1 << 40}, {"ranges": -1}, {"more": 1}, {"sources": {}},
     {"sources": [[BASE]]}, {"sources": [[BASE, -1]]}, {"sources": [BASE]}, {"target": None}, {"memory": "50"}],
    ids=str,
)  # fmt: skip
def test_a_field_of_another_kind_is_refused(fields):
    with pytest.raises(DeltaInvalid):
        read(with_line(**fields))


def test_dictionaries_beyond_the_limit_are_refused():
    number = 4
    delta = one(
        sources=(Source(BASE, 64 << 20),),
        size=10 * number,
        tiles=Tiles([10] * number, list(range(1, number + 1)), [0] * number),
        blocks=Blocks([10] * number, [5] * number, [1] * number),
        ranges=Ranges([0] * number, list(range(number)), [8 << 20] * number),
        memory=32 << 20,
    )
    with pytest.raises(DeltaInvalid, match="range"):
        read(delta, 5 * number)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        MAGIC,
        DELTA.data[:-1],
        DELTA.data + b"x",
        b"KPDELTA2" + DELTA.data[8:],
        MAGIC + b"\xff\xff\xff\xff" + DELTA.data[12:],
        MAGIC + (4).to_bytes(4, "little") + b"none",
        MAGIC + (20).to_bytes(4, "little") + stored_zstd(b"{}")[:20].ljust(20, b"\0"),
    ],
    ids=range(8),
)
def test_another_file_is_refused(data):
    with pytest.raises(DeltaInvalid):
        read(data)


@pytest.mark.parametrize(
    "frame",
    [
        zstd.compressed(bytes(1 << 28), b"", 1),
        streamed(bytes(89), 24),
        streamed(bytes(90), 27),
        zstd.compressed(bytes(90), b"", 1)[:-1],
        zstd.compressed(bytes(90), b"", 1) + b"x",
        zstd.compressed(bytes(45), b"", 1) * 2,
        b"none",
    ],
    ids=["bomb", "shorter", "window", "cut off", "more", "two", "none"],
)
def test_a_frame_that_is_not_what_the_header_says_is_refused(frame):
    old = os.urandom(100)
    delta = one(sources=(Source(sha256(old), 100),), blocks=Blocks([90], [len(frame)], [1]))
    layer = dataclasses.replace(DELTA.layer, diff_id=delta.target, size=100, needs=(sha256(old),), memory=50)
    with pytest.raises(DeltaInvalid):
        deltas.rebuilt(header.encode(delta) + frame, layer, {sha256(old): old})


def test_a_header_that_is_a_bomb_is_refused():
    frame = zstd.compressed(bytes(1 << 28), b"", 1)
    with pytest.raises(DeltaInvalid, match="header"):
        read(MAGIC + len(frame).to_bytes(4, "little") + frame)


@pytest.mark.slow
def test_the_largest_dictionaries_and_frames_stay_within_the_memory_that_is_promised(tmp_path):
    """Three dictionaries of 8 MiB at once, of a base with the largest window, blocks of 4 MiB that cannot be compressed, 457,000 tiles."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("COV")
    }  # whoever measures lines takes memory, too
    words = [sys.executable, "-m", "tests.kit.largest_delta", str(tmp_path)]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, timeout=120, check=True, env=environment)
    peak, memory = map(int, done.stdout.split())
    assert memory == limits.HELD
    assert peak < 96 << 20


def test_deltas_that_were_changed_at_random(tmp_path):
    outcomes = fuzz.FUZZER.run(tmp_path, 17, count=1500)
    assert set(outcomes) == {"whole", DeltaInvalid.code, DeltaBaseDamaged.code}


@pytest.mark.parametrize("by", [-1, 1, 700])
def test_a_wrong_dictionary_is_refused(by):
    """Other bytes of the right base: zstd does not notice, the digest does."""
    ranges = DELTA.parsed.ranges
    moved = dataclasses.replace(DELTA.parsed, ranges=ranges._replace(offsets=[offset + by for offset in ranges.offsets]))
    with pytest.raises(DeltaInvalid):
        DELTA.rebuilt(header.encode(moved) + DELTA.frames)


def test_what_is_covered_twice_or_not_at_all_cannot_be_said():
    """Tiles have lengths and no places: with one more or less of them, the sum is another one."""
    tiles = DELTA.parsed.tiles
    for changed in (
        Tiles(*([*column, column[-1]] for column in tiles)),
        Tiles(*(list(column)[:-1] for column in tiles)),
    ):
        with pytest.raises(DeltaInvalid, match="cover"):
            DELTA.rebuilt(header.encode(dataclasses.replace(DELTA.parsed, tiles=changed)) + DELTA.frames)
