"""Deltas and their bases, changed at random: the layer comes as it was, or nothing does. `python -m tests.fuzz.deltas --seconds 60`.

Changed are bytes of the delta or of the base, bytes of the header before its compression, or numbers of the header, which then stays one.
"""

import dataclasses
import random
import struct
import time
from pathlib import Path

from kelvin_provision.deltas import header, zstd
from kelvin_provision.deltas.model import MAGIC, LayerDelta
from kelvin_provision.errors import DeltaBaseDamaged, DeltaInvalid
from tests.fuzz.archives import Campaign
from tests.fuzz.bundles import changed_bytes
from tests.kit import deltas
from tests.kit.images import sha256, tar_of

_SOURCE = random.Random(17)  # noqa: S311  (no secret)
_FILES = {f"f/{number}": _SOURCE.randbytes(_SOURCE.choice((0, 40, 700, 3000))) for number in range(12)}
_CHANGED = {name: data[:30] + b"changed" + data[37:] if index % 3 else data for index, (name, data) in enumerate(_FILES.items())}
DELTA = deltas.make(tar_of(_FILES), tar_of(_CHANGED | {"new": _SOURCE.randbytes(900)}))
_PARSED, _FRAMES = DELTA.parsed, DELTA.frames
_FRONT = len(DELTA.data) - len(_FRAMES)
_RAW = zstd.decompressed(DELTA.data[12:_FRONT], zstd.content_size(DELTA.data[12:_FRONT]))
_NUMBERS = (0, 1, 2, 7, 8, 511, 512, 1 << 20, 4 << 20, (4 << 20) + 1, 8 << 20, 1 << 32, 1 << 40, (1 << 48) - 1)


def mutated(source: random.Random) -> bytes:
    """The delta and the base: each with its length in front."""
    kind, delta, base = source.random(), DELTA.data, DELTA.old
    if kind < 0.5:
        delta = _with_other_numbers(source)
    elif kind < 0.7:
        delta = _framed(changed_bytes(source, _RAW)) + _FRAMES
    elif kind < 0.9:
        delta = changed_bytes(source, delta, source.choice((_FRONT, None)))
    if kind >= 0.85:
        base = changed_bytes(source, base)
    return struct.pack("<I", len(delta)) + delta + base


def _framed(raw: bytes) -> bytes:
    frame = zstd.compressed(raw, b"", 1)
    return MAGIC + len(frame).to_bytes(4, "little") + frame


def _with_other_numbers(source: random.Random) -> bytes:
    """Also with as many bytes of frames as it says, so that more than the sum is checked."""
    changes: dict = {}
    for _ in range(source.choice((1, 1, 2, 3))):
        table = source.choice(("tiles", "blocks", "ranges", "sizes"))
        if table == "sizes":
            changes |= {source.choice(("size", "memory")): source.choice(_NUMBERS)}
            continue
        rows = changes.get(table, getattr(_PARSED, table))
        field = source.choice(rows._fields if table != "blocks" else ("frames", "ranges"))
        column = list(getattr(rows, field))
        place = source.randrange(len(column))
        column[place] = max(
            source.choice((column[place] + source.choice((-512, -1, 1, 512)), source.choice(_NUMBERS), source.choice(column))), 0
        )
        changes[table] = rows._replace(**{field: column})
    delta: LayerDelta = dataclasses.replace(_PARSED, **changes)
    size = sum(delta.blocks.frames)
    return header.encode(delta) + (_FRAMES + bytes(min(max(size - len(_FRAMES), 0), 1 << 20)))[: size if source.random() < 0.8 else None]


class _Deltas(Campaign):
    def outcome(self, folder: Path, data: bytes) -> str:
        size = struct.unpack("<I", data[:4])[0]
        delta, base = data[4 : 4 + size], data[4 + size :]
        began = time.process_time()
        try:
            made = DELTA.rebuilt(delta, {sha256(DELTA.old): base})
        except (DeltaInvalid, DeltaBaseDamaged) as error:
            if not 0 < len(str(error)) < 300 or (error.code == DeltaBaseDamaged.code and base == DELTA.old):
                raise AssertionError((error.code, str(error))) from error
            return error.code
        finally:
            assert time.process_time() - began < 2.0
        assert made == DELTA.new
        return "whole"


FUZZER = _Deltas(".kpd", mutated)

if __name__ == "__main__":
    FUZZER.main(__doc__)
