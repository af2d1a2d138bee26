"""Docker Engine as the container runtime: an image is identified by its ID, which depends on the engine's image store.

The engine has no pins, but `docker image prune` spares what has a tag (`prune -a` spares only what a container uses; then the agent loads
the image again). So a tag of our own, made from that ID, is both the pin and the mark of ownership.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import Any, BinaryIO

from kelvin_provision.docker_engine.connection import RUNTIME_ERRORS, connect
from kelvin_provision.docker_engine.engine import Engine
from kelvin_provision.errors import DigestMismatch, ImportFailed, ProvisionError
from kelvin_provision.refs import Descriptor, Platform
from kelvin_provision.runtimes import archive, suitability
from kelvin_provision.runtimes.complaints import own_trouble
from kelvin_provision.runtimes.protocol import BlobPath, ImageStatus, ImageStorage, RuntimeInfo
from kelvin_provision.spec.identity import Identity
from kelvin_provision.spec.lock import ImageLock

PINS = "kelvin-provision/pin"
LOADING = "kelvin-provision/loading"
"""The tag of an image that was loaded and not yet compared with the lock: it counts as absent."""

CONTENT = "io.containerd.content.v1.content/blobs"
"""Below the folder of a containerd."""

LOAD_TIMEOUT = 600
"""Seconds without a byte from the engine: it unpacks a large layer without writing anything."""


class DockerRuntime:
    """`base_url` as in DOCKER_HOST; `client` makes the SDK's client instead."""

    name = "docker"

    def __init__(self, base_url: str | None = None, *, client: Callable[[], Any] | None = None, runs_32_bit: bool = False) -> None:
        self._engine = Engine(client or (lambda: connect(base_url, timeout=LOAD_TIMEOUT)), RUNTIME_ERRORS)
        self._runs_32_bit = runs_32_bit

    def info(self) -> RuntimeInfo:
        platform = replace(self._engine.platform(), runs_32_bit=self._runs_32_bit)
        return RuntimeInfo(
            self.name,
            self._engine.version(),
            platform,
            pins=True,
            completes_short_names=True,
            finds_by_digest=False,
            identity=(identity := self._engine.identity()),
            unpacker=self._engine.containerd_version() if identity is Identity.ROOT else "",
        )

    def check(self, lock: ImageLock) -> None:
        """Refuses another platform, what is not a container image, and what the engine cannot unpack."""
        suitability.check(lock, self.info())

    def has(self, lock: ImageLock) -> bool:
        """By our tag, with the right ID and platform. The engine keeps no incomplete images."""
        image_id = self._id(lock)
        image = self._engine.images.inspect(_pin(image_id))
        return image is not None and image["Id"] == image_id and _has_platform(image, lock.platform)

    def load(self, lock: ImageLock, blob: BlobPath) -> None:
        if self.has(lock):
            return
        loading = _loading(self._id(lock))
        try:
            self._send(lock, blob, loading)
            self._compare(lock, loading)
            self.pin(lock)
        finally:
            with suppress(ProvisionError):  # the first error is the one to report
                self._engine.images.untag(loading)

    @contextmanager
    def open_blob(self, blob: Descriptor) -> Iterator[BinaryIO | None]:
        """From the containerd image store, if we may read its folder. The engine's own store keeps no compressed layers."""
        folder = self._engine.storage().compressed
        with ExitStack() as stack:
            file = None
            if folder is not None:
                with suppress(OSError):
                    file = stack.enter_context(folder.joinpath(CONTENT, *blob.digest.split(":", 1)).open("rb", buffering=0))
            yield file

    def pin(self, lock: ImageLock) -> None:
        image_id = self._id(lock)
        if self._engine.images.inspect(image_id) is not None:
            self._engine.images.tag(image_id, PINS, _hex(image_id))

    def remove(self, lock: ImageLock) -> None:
        """An image that a container uses keeps our tag, and is removed at a later time."""
        image_id = self._id(lock)
        self._engine.images.untag(_loading(image_id))  # of a load that was cut off
        self._engine.images.untag(_pin(image_id))

    def owned(self) -> frozenset[str]:
        return self._engine.images.ids(PINS)

    def remove_owned(self, owned: str) -> None:
        self._engine.images.untag(_pin(owned))

    def set_name(self, name: str, lock: ImageLock) -> None:
        """A tag, which the engine moves from one image to another in one step."""
        image_id = self._id(lock)
        if self._engine.images.inspect(image_id) is not None:
            repository, _, tag = name.rpartition(":")
            self._engine.images.tag(image_id, repository, tag)

    def clear_name(self, name: str, lock: ImageLock) -> None:
        if self.targets([name]).get(name) == self._id(lock):
            self._engine.images.untag(name)

    def targets(self, names: Collection[str]) -> Mapping[str, str]:
        images = {name: self._engine.images.inspect(name) for name in names}
        return {name: image["Id"] for name, image in images.items() if image is not None}

    def storage(self) -> ImageStorage:
        return ImageStorage(*self._engine.storage())

    def inspect(self, locks: Sequence[ImageLock]) -> Mapping[str, ImageStatus]:
        identity = self._engine.identity() if locks else Identity.CONFIG
        return {lock.name: self._status(lock, identity.of(lock)) for lock in locks}

    def _status(self, lock: ImageLock, image_id: str) -> ImageStatus:
        image = self._engine.images.inspect(image_id)
        if image is None:
            return ImageStatus("absent")
        pinned = _pin(image_id) in (image.get("RepoTags") or ())
        return ImageStatus("complete" if _has_platform(image, lock.platform) else "other platform", pinned, pinned)

    def sync(self) -> None:
        """The engine does not sync what it unpacks."""
        os.sync()

    def image_names(self) -> frozenset[str]:
        return self._engine.images.tags()

    def _id(self, lock: ImageLock) -> str:
        """By what the engine calls images now."""
        return self._engine.identity().of(lock)

    def _send(self, lock: ImageLock, blob: BlobPath, name: str) -> None:
        complaint = self._engine.images.load(archive.chunks(lock, blob, tag=name))
        if not complaint:
            self.sync()
            return
        if trouble := own_trouble(f"{lock.name} in Docker Engine", complaint, (complaint,)):
            raise trouble
        archive.verify(lock, blob)  # the most likely cause is a wrong blob in our own store, which the engine cannot name
        raise ImportFailed(f"Docker Engine refused to load {lock.name}", evidence=(complaint,))

    def _compare(self, lock: ImageLock, name: str) -> None:
        image = self._engine.images.inspect(name)
        if image is None:
            raise ImportFailed(f"Docker Engine did not load {lock.name}", evidence=("it reported no error, and the image is not there",))
        if image["Id"] != self._id(lock):
            raise DigestMismatch(f"{lock.reference}: Docker Engine loaded {image['Id']} instead of {self._id(lock)}")
        if lock.diff_ids and tuple(image["RootFS"].get("Layers") or ()) != lock.diff_ids:
            raise DigestMismatch(f"{lock.reference}: Docker Engine loaded other layers")
        if not _has_platform(image, lock.platform):
            platform = f"{image['Os']}/{image['Architecture']}"
            raise ImportFailed(f"{lock.reference} is for {platform}, not for {lock.platform}; it was removed again")


def _hex(image_id: str) -> str:
    return image_id.partition(":")[2]


def _pin(image_id: str) -> str:
    return f"{PINS}:{_hex(image_id)}"


def _loading(image_id: str) -> str:
    return f"{LOADING}:{_hex(image_id)}"


def _has_platform(image: dict[str, Any], platform: Platform) -> bool:
    """Without the variant, which old engines do not tell."""
    return bool(image["Os"] == platform.os and image["Architecture"] == platform.architecture)
