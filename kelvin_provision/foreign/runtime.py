"""The container runtime behind the gate: containerd through `ctr`, and Docker Engine. It answers names and digests; its errors talk."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import BinaryIO

from kelvin_provision.foreign.sanitizer import Sanitizer
from kelvin_provision.refs import Descriptor
from kelvin_provision.runtimes.protocol import BlobPath, ImageStatus, ImageStorage, Runtime, RuntimeInfo
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.rebuilt import NO_PLAIN, PlainLayers


class SanitizedRuntime:
    """As `runtime`, whose errors are cleaned."""

    def __init__(self, runtime: Runtime, sanitizer: Sanitizer) -> None:
        self._runtime = runtime
        self._sanitizer = sanitizer
        self.name = runtime.name

    def info(self) -> RuntimeInfo:
        with self._sanitizer.errors():
            return self._runtime.info()

    def check(self, lock: ImageLock) -> None:
        with self._sanitizer.errors():
            self._runtime.check(lock)

    def has(self, lock: ImageLock) -> bool:
        with self._sanitizer.errors():
            return self._runtime.has(lock)

    def load(self, lock: ImageLock, blob: BlobPath, plain: PlainLayers = NO_PLAIN) -> None:
        with self._sanitizer.errors():
            self._runtime.load(lock, blob, plain)

    def open_blob(self, blob: Descriptor) -> AbstractContextManager[BinaryIO | None]:
        return self._opened(blob)

    @contextmanager
    def _opened(self, blob: Descriptor) -> Iterator[BinaryIO | None]:
        with self._sanitizer.errors(), self._runtime.open_blob(blob) as file:
            yield file

    def pin(self, lock: ImageLock) -> None:
        with self._sanitizer.errors():
            self._runtime.pin(lock)

    def remove(self, lock: ImageLock) -> None:
        with self._sanitizer.errors():
            self._runtime.remove(lock)

    def owned(self) -> frozenset[str]:
        with self._sanitizer.errors():
            return self._runtime.owned()

    def remove_owned(self, owned: str) -> None:
        with self._sanitizer.errors():
            self._runtime.remove_owned(owned)

    def set_name(self, name: str, lock: ImageLock) -> None:
        with self._sanitizer.errors():
            self._runtime.set_name(name, lock)

    def clear_name(self, name: str, lock: ImageLock) -> None:
        with self._sanitizer.errors():
            self._runtime.clear_name(name, lock)

    def targets(self, names: Collection[str]) -> Mapping[str, str]:
        with self._sanitizer.errors():
            return self._runtime.targets(names)

    def storage(self) -> ImageStorage:
        with self._sanitizer.errors():
            return self._runtime.storage()

    def inspect(self, locks: Sequence[ImageLock]) -> Mapping[str, ImageStatus]:
        with self._sanitizer.errors():
            return self._runtime.inspect(locks)

    def sync(self) -> None:
        with self._sanitizer.errors():
            self._runtime.sync()

    def image_names(self) -> frozenset[str]:
        with self._sanitizer.errors():
            return self._runtime.image_names()
