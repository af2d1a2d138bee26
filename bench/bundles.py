"""Bundles: `create` (creating.py), `import` and both beside Docker (bundle_importing.py), `verify` beside `openssl dgst -sha256` of the
same file, `inspect` of one with 20,000 blobs, and of one with 64 trust documents what verifying takes (trusting.py).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from bench import bundle_importing, creating, trusting
from bench.measure import Row, account, paired, program, require, run
from kelvin_provision.bundles import limits
from kelvin_provision.bundles.model import BundledImage, BundledLayer
from kelvin_provision.bundles.writing.filling import spans
from kelvin_provision.bundles.writing.layout import Draft, RequestDraft, place
from kelvin_provision.bundles.writing.stream import head, pieces, sealed
from kelvin_provision.files.hashing import Hasher
from kelvin_provision.refs import Platform, Reference
from tests.kit.servers.dockerd import why_not

MIB = 1 << 20
SIZE, ROUNDS = 1024 * MIB, 5
BLOBS, LAYERS = 20_000, 38
PLATFORM = Platform("linux", "amd64")


def missing() -> str:
    lacking = [name for name in ("openssl", "docker") if not shutil.which(name)]
    return creating.missing() or (f"not installed: {', '.join(lacking)}" if lacking else why_not())


def rows(folder: Path) -> Iterator[Row]:
    yield from creating.rows(folder)
    yield from bundle_importing.rows(folder)
    yield from bundle_importing.beside_docker(folder)
    yield from verifying(folder)
    yield from inspecting(folder)
    yield from trusting.rows(folder)


def verifying(folder: Path) -> Iterator[Row]:
    """Both read from the disk: the file is dropped from the page cache before."""
    path = _written(folder / "large", _draft(1, 4, SIZE // 4))

    def ours() -> float:
        _drop(path)
        return run(program("bundle", "verify", str(path), "--quiet"))

    def other() -> float:
        _drop(path)
        return run(["openssl", "dgst", "-sha256", str(path)])

    a, b, ratio = paired(ours, other, ROUNDS)
    yield Row(f"bundle verify of {SIZE // MIB} MiB / openssl dgst -sha256", f"{a:.2f} s", f"{b:.2f} s", ratio, 1.1)
    peak = account(program("bundle", "verify", str(path), "--quiet"))[0] / MIB
    yield Row("  peak memory", f"{peak:.0f} MiB", "", peak, 64, " MiB")
    path.unlink()


def inspecting(folder: Path) -> Iterator[Row]:
    path = _written(folder / "many", _draft(BLOBS // (LAYERS + 2), LAYERS, 1))
    spent = min(run(program("bundle", "inspect", str(path), "--json")) for _ in range(ROUNDS))
    yield Row(f"bundle inspect of {BLOBS} blobs", f"{spent:.2f} s", "", spent, 0.5, " s")
    peak = account(program("bundle", "inspect", str(path), "--json"))[0] / MIB
    yield Row("  peak memory", f"{peak:.0f} MiB", "", peak, 64, " MiB")
    path.unlink()


def _draft(images: int, layers: int, size: int) -> Draft:
    """Digests are only numbers: what is measured does not hash blobs."""
    named: list[BundledImage] = []
    sizes: dict[str, int] = {}
    for number in range(images):
        manifest, config, *rest = (f"sha256:{number:032x}{blob:032x}" for blob in range(layers + 2))
        sizes |= {manifest: 1, config: 1}
        bundled = tuple(BundledLayer(digest, size, digest, 4 * size) for digest in rest)
        reference = Reference.parse(f"registry.example/team/app-{number}:1@{manifest}")
        named.append(BundledImage(reference, PLATFORM, manifest, config, bundled))
    return Draft("bench", "bench", (PLATFORM,), (RequestDraft("0001.json", b"{}"),), tuple(named), sizes, ())


def _written(folder: Path, draft: Draft) -> Path:
    folder.mkdir()
    path = folder / "bench.kpb"
    contents = place(draft)
    block = os.urandom(MIB)
    with path.open("wb+") as file:
        file.seek(contents.chunks.end)
        for piece in pieces(contents):
            left = len(piece) if isinstance(piece, bytes) else piece.size
            for start in range(0, left, MIB):
                file.write(piece[start : start + MIB] if isinstance(piece, bytes) else block[: left - start])
        require(file.tell() == contents.total, "the archive has another size than its table says")
        hashes = []
        for offset, size in spans(contents.chunks.end, contents.total):
            file.seek(offset)
            hasher = Hasher()
            hasher.update(file.read(min(size, limits.CHUNK)))
            hashes.append(bytes.fromhex(hasher.hex))
        file.seek(0)
        file.write(head(sealed(contents, hashes), hashes))
    return path


def _drop(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)
