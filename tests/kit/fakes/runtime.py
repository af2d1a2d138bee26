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
from kelvin_provision.spec.rebuilt import NO_PLAIN, ORIGINAL, LocalImage, PlainLayers, plain_layers_of


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
        return lock.name in self.pinned and self._target(lock.name, lock) is not None and self._whole(lock)

    def _target(self, name: str, lock: ImageLock) -> str | None:
        """What a name stands for, if that is the image in either form."""
        target = self.names.get(name)
        local = target in self.blobs and plain_layers_of(lock, self.blobs[target]) is not None
        return target if target == lock.root.digest or local else None

    def _whole(self, lock: ImageLock) -> bool:
        plain = plain_layers_of(lock, self.blobs.get(self.names[lock.name], b""))
        return all(blob.digest in self.blobs for blob in LocalImage(lock, plain or {}).blobs())

    def load(self, lock: ImageLock, blob: BlobPath, plain: PlainLayers = NO_PLAIN) -> None:
        if not self.has(lock):
            self._import(lock, blob, plain)
        self.pin(lock)

    def import_unpinned(self, lock: ImageLock, blob: BlobPath) -> None:
        """An import by another client: content and name, no pin."""
        self._import(lock, blob)

    def _import(self, lock: ImageLock, blob: BlobPath, plain: PlainLayers = NO_PLAIN) -> None:
        self.loaded.append(lock.name)
        arrived: dict[str, bytes] = {}
        image = LocalImage(lock, plain)
        absent = {layer.digest for layer in image.layers if layer.digest in self.blobs}
        stream = archive.chunks(lock, blob, plain=plain, absent=absent)
        with tarfile.open(fileobj=io.BufferedReader(Chunks(stream)), mode="r|") as tar:
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
        self.names[lock.name] = image.root.digest

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
        if target := self._target(lock.name, lock):
            self.names[name] = target

    def clear_name(self, name, lock):
        self._check_reachable()
        if self._target(name, lock):
            del self.names[name]

    def targets(self, names):
        self._check_reachable()
        return {name: self._original(self.names[name]) for name in names if name in self.names}

    def _original(self, target: str) -> str:
        document = json.loads(self.blobs.get(target, b"{}"))
        return (document.get("annotations") or {}).get(ORIGINAL, target)

    def storage(self) -> ImageStorage:
        self._check_reachable()
        return self.storage_folders

    def inspect(self, locks):
        self._check_reachable()
        return {lock.name: self._status(lock) for lock in locks}

    def _status(self, lock: ImageLock) -> ImageStatus:
        if lock.name not in self.names:
            return ImageStatus("absent")
        pinned = lock.name in self.pinned
        state = "other digest" if not self._target(lock.name, lock) else "complete" if self._whole(lock) else "incomplete"
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
