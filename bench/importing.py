"""Importing an image out of the store into containerd, beside `ctr images import` of an archive of the same content.

All of it on a small filesystem of its own, so that the peak of disk use is that of this work and of nobody else's.
"""

from __future__ import annotations

import gzip
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.measure import Row, peak_of, run

MIB = 1 << 20
LAYERS, SIZE, ROUNDS = 8, 1024 * MIB, 3
DISK = 6 * SIZE
"""The store, the archive, containerd's content and what it unpacks, and room for whoever makes a copy of his own."""
SAMPLE = 0.005
BASE = "application/vnd.oci.image"


@dataclass(frozen=True)
class Spent:
    """Seconds by the clock and bytes more on the disk at the peak; of ours, also the peak of memory and bytes written to files."""

    wall: float
    disk: int
    memory: int = 0
    written: int = 0


def rows(folder: Path) -> Iterator[Row]:
    """Wall time as ratios, disk use, and what our side wrote and needed."""
    from tests.kit.servers.containerd import containerd_server  # not above: the measured process is this module too

    with disk_at(folder / "disk") as disk, containerd_server(disk / "containerd") as address:
        lock, archive = _image(disk)
        ours: list[Spent] = []
        other: list[Spent] = []
        for number in range(ROUNDS):
            for side in (ours, other) if number % 2 else (other, ours):
                side.append(_ours(disk, address, lock) if side is ours else _theirs(disk, address, archive))
                _remove(address, lock.name)
    yield _ratio("import 1 GiB, 8 layers / ctr images import of an archive", ours, other)
    peak, theirs = (max(one.disk for one in side) / MIB for side in (ours, other))
    yield Row("  peak of disk use, beyond store and archive", f"{peak:.0f} MiB", f"{theirs:.0f} MiB", peak / theirs, 1.02)
    written = max(one.written for one in ours) / MIB
    yield Row("  written to files by us and the ctr that we feed", f"{written:.1f} MiB", "", written, 1, " MiB")
    memory = max(one.memory for one in ours) / MIB
    yield Row("  peak memory of the importing process", f"{memory:.0f} MiB", "", memory, 64, " MiB")


def _ratio(what: str, ours: list[Spent], other: list[Spent]) -> Row:
    pairs = [(one.wall, two.wall) for one, two in zip(ours, other, strict=True)]
    a, b = (statistics.median(side) for side in zip(*pairs, strict=True))
    return Row(what, f"{a:.2f} s", f"{b:.2f} s", statistics.median(one / two for one, two in pairs), 1.05)


@contextmanager
def disk_at(place: Path) -> Iterator[Path]:
    """An ext4 in a sparse file."""
    image = place.with_suffix(".img")
    with image.open("wb") as file:
        file.truncate(DISK)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=True)
    place.mkdir()
    subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)
        image.unlink()


def _image(disk: Path) -> tuple[Any, Path]:
    """Random bytes in gzip without compression, straight into the store, one layer at a time; and the archive of it."""
    from kelvin_provision.refs import Descriptor, Platform, Reference
    from kelvin_provision.runtimes import archive
    from kelvin_provision.spec.lock import ImageLock
    from kelvin_provision.store import Store
    from tests.kit.images import sha256, tar_of

    store, layers, parts = Store(disk / "state"), [], []

    def put(kind: str, data: bytes) -> Descriptor:
        found = Descriptor(f"{BASE}.{kind}", sha256(data), len(data))
        store.put(found, data)
        return found

    for number in range(LAYERS):
        tar = tar_of({f"data/{number}": os.urandom(SIZE // LAYERS)})
        parts.append(sha256(tar))
        layers.append(put("layer.v1.tar+gzip", gzip.compress(tar, 0, mtime=0)))
    here = Platform.of_this_host()
    rootfs = {"type": "layers", "diff_ids": parts}
    config = put("config.v1+json", json.dumps({"architecture": here.architecture, "os": here.os, "config": {}, "rootfs": rootfs}).encode())
    described = [{"mediaType": one.media_type, "digest": one.digest, "size": one.size} for one in (config, *layers)]
    document = {"schemaVersion": 2, "mediaType": f"{BASE}.manifest.v1+json", "config": described[0], "layers": described[1:]}
    manifest = put("manifest.v1+json", json.dumps(document).encode())
    lock = ImageLock(Reference.parse("bench.example/import:1"), here, manifest, config, tuple(layers), tuple(parts))
    (disk / "lock.json").write_text(json.dumps(lock.to_json()))
    with (disk / "archive.tar").open("wb") as file:
        file.writelines(archive.chunks(lock, store.path))
    return lock, disk / "archive.tar"


def _ours(disk: Path, address: str, lock: Any) -> Spent:
    command = [sys.executable, "-m", "bench.importing", address, str(disk / "state"), str(disk / "lock.json")]
    with _disk_use(disk) as used:
        done = subprocess.run(command, env=os.environ | {"TMPDIR": str(disk)}, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"the import of {lock.name} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return Spent(disk=used[0], **json.loads(done.stdout))


def _theirs(disk: Path, address: str, archive: Path) -> Spent:
    command = ["ctr", "-a", address, "-n", "k8s.io", "images", "import", str(archive)]
    with _disk_use(disk) as used:
        began = time.perf_counter()
        run(command, os.environ | {"TMPDIR": str(disk)})
        wall = time.perf_counter() - began
    return Spent(wall, used[0])


def _remove(address: str, name: str) -> None:
    run(["ctr", "-a", address, "-n", "k8s.io", "images", "rm", "--sync", name])
    os.sync()  # what one left for the disk to do is not the next one's to pay


@contextmanager
def _disk_use(disk: Path) -> Iterator[list[int]]:
    """Bytes more in use at the peak than at the beginning, in the one entry of the list once the block is left."""
    over, most = threading.Event(), [0]

    def used() -> int:
        found = os.statvfs(disk)
        return (found.f_blocks - found.f_bfree) * found.f_frsize

    before = used()

    def watch() -> None:
        while not over.wait(SAMPLE):
            most[0] = max(most[0], used() - before)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield most
    finally:
        over.set()
        watcher.join()
        os.sync()  # ext4 gives blocks when it writes them
        most[0] = max(most[0], used() - before)


def load(address: str, state: Path, lock: Path) -> None:
    """What is measured: a process that only imports, as the agent does. It lives already, so its start does not count."""
    from kelvin_provision.runtimes.containerd.runtime import ContainerdRuntime
    from kelvin_provision.spec.lock import ImageLock
    from kelvin_provision.store import Store

    image, store, runtime = ImageLock.from_json(json.loads(lock.read_text())), Store(state), ContainerdRuntime(address)
    began = time.perf_counter()
    runtime.load(image, store.path)
    wall = time.perf_counter() - began
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(json.dumps({"wall": wall, "memory": peak_of(os.getpid()), "written": sum(one.ru_oublock for one in used) * 512}))


def missing() -> str:
    """Why it cannot be measured here, or nothing."""
    lacking = [name for name in ("containerd", "ctr", "mkfs.ext4", "mount") if not shutil.which(name)]
    return f"not installed: {', '.join(lacking)}" if lacking else "" if os.geteuid() == 0 else "containerd needs root"


if __name__ == "__main__":
    load(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
