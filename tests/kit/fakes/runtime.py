"""A runtime in memory. It passes the contract suite of the real ones."""

import hashlib
import io
import json
import tarfile
import tempfile
from contextlib import contextmanager

from kelvin_provision.errors import DigestMismatch, ImageUnsupported, ImportFailed, PlatformMissing, ProvisionError
from kelvin_provision.refs import Descriptor, Platform
from kelvin_provision.runtimes import archive
from kelvin_provision.runtimes.protocol import BlobPath, ImageStatus, ImageStorage, RuntimeInfo
from kelvin_provision.spec.lock import ImageLock


class Chunks(io.RawIOBase):
    """An iterator of bytes as a file, so that tarfile can read it as a stream."""

    def __init__(self, chunks) -> None:
        self._chunks, self._rest = iter(chunks), b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        while not self._rest and (chunk := next(self._chunks, None)) is not None:
            self._rest = chunk
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


class FakeRuntime:
    """`names` maps the name of an image to its root digest, `pinned` has the names that we own, `blobs` the content.

    Tests set `error`, which every verb then raises, and `in_use`, the names that a container uses; `loaded` has the names of
    imported images in order; `storage_folders` is the answer of `storage`.
    """

    name = "fake"

    def __init__(self, platform: Platform | None = None) -> None:
        self.platform = platform or Platform.of_this_host()
        self.names: dict[str, str] = {}
        self.pinned: set[str] = set()
        self.blobs: dict[str, bytes] = {}
        self.in_use: set[str] = set()
        self.loaded: list[str] = []
        self.error: ProvisionError | None = None
        self.storage_folders = ImageStorage()

    def _check_reachable(self) -> None:
        if self.error is not None:
            raise self.error

    def info(self) -> RuntimeInfo:
        self._check_reachable()
        return RuntimeInfo(self.name, "1.0.0", self.platform, pins=True)

    def check(self, lock: ImageLock) -> None:
        if not self.platform.accepts(lock.platform):
            raise PlatformMissing(f"{lock.reference} is for {lock.platform}; this node is {self.platform}")
        for blob in (lock.config, *lock.layers):
            if not blob.media_type.startswith(("application/vnd.oci.image.", "application/vnd.docker.")):
                raise ImageUnsupported(f"{lock.reference}: the fake cannot load {blob.media_type}")

    def has(self, lock: ImageLock) -> bool:
        self._check_reachable()
        there = lock.name in self.pinned and self.names.get(lock.name) == lock.root.digest
        return there and all(blob.digest in self.blobs for blob in lock.blobs())

    def load(self, lock: ImageLock, blob: BlobPath) -> None:
        if not self.has(lock):
            self._import(lock, blob)
        self.pin(lock)

    def import_unpinned(self, lock: ImageLock, blob: BlobPath) -> None:
        """An import by another client: content and name, no pin."""
        self._import(lock, blob)

    def _import(self, lock: ImageLock, blob: BlobPath) -> None:
        self.loaded.append(lock.name)
        arrived: dict[str, bytes] = {}
        with tarfile.open(fileobj=io.BufferedReader(Chunks(archive.chunks(lock, blob))), mode="r|") as tar:
            for member in tar:
                file = tar.extractfile(member)
                assert file is not None
                if member.name.startswith("blobs/"):
                    arrived[member.name.removeprefix("blobs/").replace("/", ":")] = file.read()
        for digest, data in arrived.items():
            algorithm, _, want = digest.partition(":")
            if hashlib.new(algorithm, data).hexdigest() != want:
                raise DigestMismatch(f"{digest}: something else arrived")
        config = json.loads(arrived[lock.config.digest])
        found = Platform(config["os"], config["architecture"], config.get("variant", ""))
        if not self.platform.accepts(found):
            raise ImportFailed(f"{lock.name} is for {found}; this node is {self.platform}")
        self.blobs |= arrived
        self.names[lock.name] = lock.root.digest

    @contextmanager
    def open_blob(self, blob: Descriptor):
        self._check_reachable()
        if blob.digest not in self.blobs:
            yield None
            return
        with tempfile.TemporaryFile(buffering=0) as file:
            file.write(self.blobs[blob.digest])
            file.seek(0)
            yield file

    def pin(self, lock: ImageLock) -> None:
        self._check_reachable()
        if lock.name in self.names:
            self.pinned.add(lock.name)

    def remove(self, lock: ImageLock) -> None:
        self._check_reachable()
        if lock.name in self.pinned and lock.name not in self.in_use:
            self.pinned.discard(lock.name)
            del self.names[lock.name]

    def owned(self) -> frozenset[str]:
        self._check_reachable()
        return frozenset(self.pinned)

    def remove_owned(self, owned: str) -> None:
        self._check_reachable()
        if owned in self.pinned and owned not in self.in_use:
            self.pinned.discard(owned)
            del self.names[owned]

    def set_name(self, name, lock):
        self._check_reachable()
        if self.names.get(lock.name) == lock.root.digest:
            self.names[name] = lock.root.digest

    def clear_name(self, name, lock):
        self._check_reachable()
        if self.names.get(name) == lock.root.digest:
            del self.names[name]

    def targets(self, names):
        self._check_reachable()
        return {name: self.names[name] for name in names if name in self.names}

    def storage(self) -> ImageStorage:
        self._check_reachable()
        return self.storage_folders

    def inspect(self, locks):
        self._check_reachable()
        return {lock.name: self._status(lock) for lock in locks}

    def _status(self, lock: ImageLock) -> ImageStatus:
        if lock.name not in self.names:
            return ImageStatus("absent")
        whole = all(blob.digest in self.blobs for blob in lock.blobs())
        pinned = lock.name in self.pinned
        state = "other digest" if self.names[lock.name] != lock.root.digest else "complete" if whole else "incomplete"
        return ImageStatus(state, pinned, pinned)

    def image_names(self) -> frozenset[str]:
        self._check_reachable()
        return frozenset(self.names)

    def sync(self) -> None:
        """It is in memory."""

    def garbage_collect(self, lock: ImageLock) -> None:
        """As the kubelet's image garbage collection: pins are ignored."""
        self.names.pop(lock.name, None)
        self.pinned.discard(lock.name)
