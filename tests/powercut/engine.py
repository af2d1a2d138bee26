"""A runtime and a cluster that are on the disk that is cut, and keep what engines keep.

Content and databases are synced, as containerd, Docker and Kubernetes do; what an import unpacks is not, as with containerd and Docker:
that is left to the program.
"""

import json
import os
import time
from pathlib import Path

from kelvin_provision.refs import Descriptor
from kelvin_provision.spec.rebuilt import NO_PLAIN, LocalImage
from tests.kit.fakes.cluster import FakeCluster
from tests.kit.fakes.runtime import FakeRuntime
from tests.powercut.syncing import fsync

PACE = 0.02
"""The least time in seconds that an import and the start of a workload take: a cut must be able to fall into them."""


def write_synced(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    fsync(folder)
    os.close(folder)


def read_json(path: Path, otherwise):
    return json.loads(path.read_bytes()) if path.exists() else otherwise


class DiskRuntime(FakeRuntime):
    def __init__(self, folder: Path, imports=lambda: None) -> None:
        super().__init__()
        self._content, self._unpacked, self._database = folder / "content", folder / "unpacked", folder / "runtime.json"
        self._imports = imports
        for path in (self._content, self._unpacked):
            path.mkdir(parents=True, exist_ok=True)
        kept = read_json(self._database, {"names": {}, "pinned": [], "blobs": {}})
        self.names, self.pinned, self._blobs_of = kept["names"], set(kept["pinned"]), kept["blobs"]
        needed = {digest for digests in self._blobs_of.values() for digest in digests}
        self.blobs = {digest: path.read_bytes() for digest in needed if (path := self._content / digest).exists()}

    def load(self, lock, blob, plain=NO_PLAIN) -> None:
        """Import, compare, sync, label: what the real ones promise of this verb."""
        self._imports()
        if not self.has(lock):
            self._import(lock, blob, plain)
            self.sync()
        self.pin(lock)

    def sync(self) -> None:
        os.sync()

    def _import(self, lock, blob, plain=NO_PLAIN) -> None:
        super()._import(lock, blob, plain)
        time.sleep(PACE)
        image = LocalImage(lock, plain)
        digests = list(dict.fromkeys([image.root.digest, *(part.digest for part in image.blobs())]))
        for digest in digests:
            write_synced(self._content / digest, self.blobs[digest])
        for layer in image.layers:
            (self._unpacked / layer.digest).write_bytes(self.blobs[layer.digest])
        self._blobs_of[lock.name] = digests
        self._save()

    def is_unpacked(self, layer: Descriptor, data: bytes) -> bool:
        path = self._unpacked / layer.digest
        return path.exists() and path.read_bytes() == data

    def pin(self, lock) -> None:
        super().pin(lock)
        self._save()

    def remove(self, lock) -> None:
        super().remove(lock)
        self._collect()

    def remove_owned(self, owned) -> None:
        super().remove_owned(owned)
        self._collect()

    def _collect(self) -> None:
        self._blobs_of = {name: digests for name, digests in self._blobs_of.items() if name in self.names}
        self._save()
        needed = {digest for digests in self._blobs_of.values() for digest in digests}
        for digest in set(self.blobs) - needed:
            del self.blobs[digest]
            for folder in (self._content, self._unpacked):
                (folder / digest).unlink(missing_ok=True)

    def _save(self) -> None:
        kept = {"names": self.names, "pinned": sorted(self.pinned), "blobs": self._blobs_of}
        write_synced(self._database, json.dumps(kept).encode())


def _saved(verb: str):
    def call(self, *arguments):
        result = getattr(FakeCluster, verb)(self, *arguments)
        self.save()
        return result

    return call


class DiskCluster(FakeCluster):
    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._database = folder / "cluster.json"
        kept = read_json(self._database, {"live": {}, "stopped": []})
        self.live, self.stopped = kept["live"], set(kept["stopped"])

    put, finish, revert, stop, remove = (_saved(verb) for verb in ("put", "finish", "revert", "stop", "remove"))

    def wait(self, *arguments):
        time.sleep(PACE)
        return super().wait(*arguments)

    def save(self) -> None:
        write_synced(self._database, json.dumps({"live": self.live, "stopped": sorted(self.stopped)}).encode())
