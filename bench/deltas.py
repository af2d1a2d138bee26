"""Deltas of four changes of a layer (delta_sets.py): their size beside the compressed layer and beside `zstd --patch-from`; what making
and rebuilding take; and the way to a box at 2 MB/s beside `skopeo copy` of the layer.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from bench import delta_sets
from bench.measure import Row, require, run

MIB = 1 << 20
RATE = 2_000_000
"""Bytes a second of a thin link."""
_SHARES = {"S0": 0.2, "S1": 0.5, "M": 100.0, "P": 55.0}
"""Bounds of the size, in percent of the layer as gzip has it."""
_OF_PATCH_FROM = 0.6
_NAMES = {"S0": "one file edited", "S1": "built again, all times new", "M": "six packages one version up", "P": "one binary linked again"}


class Spent(NamedTuple):
    wall: float
    cpu: float
    peak: int


def missing() -> str:
    lacking = [name for name in ("zstd", "skopeo", "docker-registry", "gzip", "sha256sum") if not shutil.which(name)]
    return f"not installed: {', '.join(lacking)}" if lacking else ""


def rows(folder: Path) -> Iterator[Row]:
    place = folder / "deltas"
    place.mkdir()
    packed: dict[Path, Path] = {}
    for name, (old, new) in delta_sets.make(place).items():
        for layer in (old, new):
            packed[layer] = packed.get(layer) or _gzipped(layer)
        yield from _of_set(name, old, new, packed, place)
        if name in {"S0", "P"}:
            yield _over_a_thin_link(name, packed[old], packed[new], place)
    shutil.rmtree(place)


def _gzipped(layer: Path) -> Path:
    run(["gzip", "-6", "-k", "-n", str(layer)])
    return layer.with_name(f"{layer.name}.gz")


def _of_set(name: str, old: Path, new: Path, packed: dict[Path, Path], place: Path) -> Iterator[Row]:
    delta, rebuilt = place / f"{name}.delta", place / "rebuilt"
    made = _process("make", packed[old], packed[new], delta)
    again = _process("rebuild", packed[old], rebuilt, delta)
    require(rebuilt.stat().st_size == new.stat().st_size, f"{name}: the layer was not rebuilt")
    size, whole = delta.stat().st_size, packed[new].stat().st_size
    share = 100 * size / whole
    yield Row(f"{name}: {_NAMES[name]}: delta / layer as gzip", _kib(size), _kib(whole), share, _SHARES[name], " %")
    patch = _patch(old, new, place)
    yield Row("  delta / zstd -3 --patch-from", _kib(size), _kib(patch), size / patch, _OF_PATCH_FROM if name == "M" else 2.0)
    yield Row("  making: peak memory", f"{made.peak / MIB:.0f} MiB", f"{made.wall:.1f} s", made.peak / MIB, 256, " MiB")
    yield Row("  rebuilding: peak memory", f"{again.peak / MIB:.0f} MiB", f"{again.wall:.1f} s", again.peak / MIB, 80, " MiB")
    reading = _reading(packed[new])
    yield Row("  rebuilding / sha256sum and gzip -dc, processor", f"{again.cpu:.2f} s", f"{reading:.2f} s", again.cpu / reading, 3.0)
    rebuilt.unlink()


def _process(what: str, old: Path, new: Path, delta: Path) -> Spent:
    began = time.perf_counter()
    words = [sys.executable, "-m", "bench.delta_process", what, str(old), str(new), str(delta)]
    said = json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout)
    return Spent(time.perf_counter() - began, said["cpu"], said["peak"])


def _patch(old: Path, new: Path, place: Path) -> int:
    path = place / "patch"
    run(["zstd", "-3", "--long=30", f"--patch-from={old}", str(new), "-f", "-q", "-o", str(path)])
    size = path.stat().st_size
    path.unlink()
    return size


def _reading(packed: Path) -> float:
    """Processor seconds of what any download does with a layer at least."""
    script = (
        "import resource, subprocess, sys\n"
        "subprocess.run(['sh', '-c', 'gzip -dc \"$0\" | sha256sum', sys.argv[1]], check=True, stdout=subprocess.DEVNULL)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(used.ru_utime + used.ru_stime)"
    )
    return float(subprocess.run([sys.executable, "-c", script, str(packed)], check=True, stdout=subprocess.PIPE).stdout)


def _over_a_thin_link(name: str, old: Path, new: Path, place: Path) -> Row:
    """The layer by skopeo, against the delta and the rebuilding, through the same proxy."""
    from tests.kit.images import push_blob, sha256
    from tests.kit.servers.registry import docker_registry
    from tests.kit.servers.thin import thin_link

    delta, repository = place / f"{name}.delta", f"delta/{name.lower()}"
    with docker_registry(place / f"registry-{name}") as host, thin_link(host, RATE) as link:
        push_blob(host, repository, delta.read_bytes())
        _push_image(host, repository, new)
        began = time.perf_counter()
        with urllib.request.urlopen(f"http://{link.host}/v2/{repository}/blobs/{sha256(delta.read_bytes())}") as answer:
            require(answer.read() == delta.read_bytes(), "the delta that came is another one")
        _process("rebuild", old, place / "rebuilt", delta)
        ours = time.perf_counter() - began
        words = ["skopeo", "--insecure-policy", "copy", "--src-tls-verify=false", f"docker://{link.host}/{repository}:1"]
        whole = run([*words, f"oci:{place / f'copied-{name}'}:1"])
    return Row(f"  {name} at 2 MB/s: delta and rebuilding / skopeo copy", f"{ours:.1f} s", f"{whole:.1f} s", ours / whole, 0.7)


def _push_image(host: str, repository: str, layer: Path) -> None:
    from tests.kit.images import OCI_CONFIG, OCI_LAYER, Image, push, sha256

    data = layer.read_bytes()
    config = json.dumps(
        {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [sha256(layer.name.encode())]}}
    ).encode()
    described: Sequence[dict[str, object]] = [{"mediaType": OCI_LAYER, "digest": sha256(data), "size": len(data)}]
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": OCI_CONFIG, "digest": sha256(config), "size": len(config)},
        "layers": described,
    }
    push(host, repository, "1", Image(json.dumps(manifest).encode(), {sha256(data): data, sha256(config): config}))


def _kib(size: int) -> str:
    return f"{size / 1024:.0f} KiB" if size < 10 * MIB else f"{size / MIB:.1f} MiB"
