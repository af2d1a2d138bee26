"""Rebuilds by the delta that takes the most memory, in a process of its own: prints the peak of it and what the delta promises."""

import hashlib
import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

from kelvin_provision.deltas import header, limits, zstd
from kelvin_provision.deltas.artifact import LAYER_TYPE, DeltaLayer
from kelvin_provision.deltas.model import Blocks, LayerDelta, Ranges, Source, Tiles
from kelvin_provision.deltas.rebuilding import rebuild
from kelvin_provision.refs import Descriptor

MIB = 1 << 20
TILE = 55


def main(folder):
    """The base and the delta are made in another process: what that takes must not count."""
    if "made" in sys.argv:
        _make(folder)
        return
    subprocess.run([sys.executable, "-m", "tests.kit.largest_delta", str(folder), "made"], check=True)
    target, base, size = (folder / "digests").read_text().split()
    layer = DeltaLayer(Descriptor(LAYER_TYPE, target, 1), target, int(size), (base,), target, limits.HELD)
    rebuild(folder / "delta", layer, lambda diff_id: (folder / "base").open("rb"), folder / "new")
    status = Path("/proc/self/status").read_text()  # what `getrusage` says is that of whoever started us, if that is more
    print(int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024, limits.HELD)


def _make(folder):
    pieces = [os.urandom(MIB) for _ in range(32)]
    coder = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: limits.WINDOW_LOG})
    with (folder / "base").open("wb") as base:
        for piece in pieces:
            base.write(coder.compress(piece))
        base.write(coder.flush())
    ranges = [range(8), range(1, 9), range(2, 10)]
    frames = [zstd.compressed(os.urandom(4 * MIB), b"".join(pieces[number] for number in numbers), 3) for numbers in ranges]
    new = [
        zstd.decompressed(frame, 4 * MIB, bytearray(b"".join(pieces[n] for n in numbers)))
        for frame, numbers in zip(frames, ranges, strict=True)
    ]
    layer, base, lengths, origins, offsets = bytearray(), b"".join(pieces), [], [], []
    for number, block in enumerate(new, 1):  # each in many tiles, with a byte of the base between any two
        for at in range(0, len(block), TILE):
            layer += block[at : at + TILE] + base[at : at + 1]
            lengths += [len(block[at : at + TILE]), 1]
            origins += [number, 0]
            offsets += [0, at]
    target, source = (f"sha256:{hashlib.sha256(data).hexdigest()}" for data in (layer, base))
    # The shares of each dictionary are separate, so that all of them are open at once.
    rows = list(itertools.chain.from_iterable(ranges))
    delta = LayerDelta(
        target,
        len(layer),
        (Source(source, 32 * MIB),),
        Tiles(lengths, origins, offsets),
        Blocks([4 * MIB] * 3, [len(frame) for frame in frames], [8] * 3),
        Ranges([0] * 24, [number * MIB for number in rows], [MIB] * 24),
        limits.HELD,
    )
    (folder / "delta").write_bytes(header.encode(delta) + b"".join(frames))
    (folder / "digests").write_text(f"{target} {source} {len(layer)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
