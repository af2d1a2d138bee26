"""A runtime in memory that keeps the promises of `runtimes.protocol`; proved by the same suite as the real ones."""

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
    """`names` maps an image's name to its root digest, `pinned` are the names that we own, `blobs` is the content.

    Tests set `down` to an error that every verb then raises, and `used` to names that a container uses;
    `loaded` are the names that bytes were streamed for, in order; `kept` is where it claims to keep copies.
    """

    name = "fake"

    def __init__(self, platform: Platform | None = None) -> None:
        self.platform = platform or Platform.of_this_host()
        self.names: dict[str, str] = {}
        self.pinned: set[str] = set()
        self.blobs: dict[str, bytes] = {}
        self.used: set[str] = set()
        self.loaded: list[str] = []
        self.down: ProvisionError | None = None
        self.kept = ImageStorage()

    def _up(self) -> None:
        if self.down is not None:
            raise self.down

    def info(self) -> RuntimeInfo:
        self._up()
        return RuntimeInfo(self.name, "1.0.0", self.platform, pins=True)

    def check(self, lock: ImageLock) -> None:
        if not self.platform.accepts(lock.platform):
            raise PlatformMissing(f"{lock.reference} is for {lock.platform}; this node is {self.platform}")
        for blob in (lock.config, *lock.layers):
            if not blob.media_type.startswith(("application/vnd.oci.image.", "application/vnd.docker.")):
                raise ImageUnsupported(f"{lock.reference}: the fake cannot load {blob.media_type}")

    def has(self, lock: ImageLock) -> bool:
        self._up()
        there = lock.name in self.pinned and self.names.get(lock.name) == lock.root.digest
        return there and all(blob.digest in self.blobs for blob in lock.blobs())

    def load(self, lock: ImageLock, blob: BlobPath) -> None:
        if not self.has(lock):
            self._take(lock, blob)
        self.pin(lock)

    def put(self, lock: ImageLock, blob: BlobPath) -> None:
        """As an import by somebody else does it: all the content, a name, no pin."""
        self._take(lock, blob)

    def _take(self, lock: ImageLock, blob: BlobPath) -> None:
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
        self._up()
        if blob.digest not in self.blobs:
            yield None
            return
        with tempfile.TemporaryFile(buffering=0) as file:
            file.write(self.blobs[blob.digest])
            file.seek(0)
            yield file

    def pin(self, lock: ImageLock) -> None:
        self._up()
        if lock.name in self.names:
            self.pinned.add(lock.name)

    def remove(self, lock: ImageLock) -> None:
        self._up()
        if lock.name in self.pinned and lock.name not in self.used:
            self.pinned.discard(lock.name)
            del self.names[lock.name]

    def owned(self) -> frozenset[str]:
        self._up()
        return frozenset(self.pinned)

    def remove_owned(self, owned: str) -> None:
        self._up()
        if owned in self.pinned and owned not in self.used:
            self.pinned.discard(owned)
            del self.names[owned]

    def storage(self) -> ImageStorage:
        self._up()
        return self.kept

    def inspect(self, locks):
        self._up()
        return {lock.name: self._sight(lock) for lock in locks}

    def _sight(self, lock: ImageLock) -> ImageStatus:
        if lock.name not in self.names:
            return ImageStatus("absent")
        whole = all(blob.digest in self.blobs for blob in lock.blobs())
        pinned = lock.name in self.pinned
        state = "other digest" if self.names[lock.name] != lock.root.digest else "complete" if whole else "incomplete"
        return ImageStatus(state, pinned, pinned)

    def image_names(self) -> frozenset[str]:
        self._up()
        return frozenset(self.names)

    def forget(self, lock: ImageLock) -> None:
        """As the kubelet's image collector does it: without asking."""
        self.names.pop(lock.name, None)
        self.pinned.discard(lock.name)
