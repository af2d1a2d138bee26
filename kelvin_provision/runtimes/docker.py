"""Docker Engine as the container runtime: an image is identified by its ID, which depends on the engine's image store.

An image with plain layers has another ID than the original with the containerd image store only: that of its local manifest (ADR 0064).
The engine has no pins, but `docker image prune` spares what has a tag (`prune -a` spares only what a container uses; then the agent loads
the image again). So a tag of our own, made from the original's ID, is the pin, the mark of ownership, and what finds a local image.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import Any, BinaryIO

from kelvin_provision.docker_engine.connection import RUNTIME_ERRORS, connect
from kelvin_provision.docker_engine.engine import PINS, Engine, pin, pinned
from kelvin_provision.errors import DigestMismatch, ImportFailed, ProvisionError
from kelvin_provision.refs import Descriptor, Platform
from kelvin_provision.runtimes import archive, suitability
from kelvin_provision.runtimes.complaints import own_trouble
from kelvin_provision.runtimes.docker_content import DockerContent
from kelvin_provision.runtimes.protocol import BlobPath, ImageStatus, ImageStorage, RuntimeInfo
from kelvin_provision.spec.identity import Identity
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.rebuilt import NO_PLAIN, LocalImage, PlainLayers

LOADING = "kelvin-provision/loading"
"""The tag of an image that was loaded and not yet compared with the lock: it counts as absent."""

LOAD_TIMEOUT = 600
"""Seconds without a byte from the engine: it unpacks a large layer without writing anything."""


class DockerRuntime:
    """`base_url` as in DOCKER_HOST; `client` makes the SDK's client instead."""

    name = "docker"

    def __init__(self, base_url: str | None = None, *, client: Callable[[], Any] | None = None, runs_32_bit: bool = False) -> None:
        self._engine = Engine(client or (lambda: connect(base_url, timeout=LOAD_TIMEOUT)), RUNTIME_ERRORS)
        self._content = DockerContent(self._engine)
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
        image = self._engine.images.inspect(pin(self._id(lock)))
        return image is not None and self._content.is_image(image, lock) and _has_platform(image, lock.platform)

    def load(self, lock: ImageLock, blob: BlobPath, plain: PlainLayers = NO_PLAIN) -> None:
        if self.has(lock):
            return
        image, loading = LocalImage(lock, plain), _loading(self._id(lock))
        try:
            loaded = self._import(image, blob, loading)
            self._engine.images.tag(loaded, PINS, _hex(self._id(lock)))
        finally:
            with suppress(ProvisionError):  # the first error is the one to report
                self._engine.images.untag(loading)

    @contextmanager
    def open_blob(self, blob: Descriptor) -> Iterator[BinaryIO | None]:
        """From the containerd image store, if we may read its folder. The engine's own store keeps no compressed layers."""
        with ExitStack() as stack:
            file = None
            if path := self._content.path(blob.digest):
                with suppress(OSError):
                    file = stack.enter_context(path.open("rb", buffering=0))
            yield file

    def pin(self, lock: ImageLock) -> None:
        """A local image is found by its pin alone: without that it is loaded again."""
        image_id = self._id(lock)
        if self._engine.images.inspect(image_id) is not None:
            self._engine.images.tag(image_id, PINS, _hex(image_id))

    def remove(self, lock: ImageLock) -> None:
        """An image that a container uses keeps our tag, and is removed at a later time."""
        image_id = self._id(lock)
        self._engine.images.untag(_loading(image_id))  # of a load that was cut off
        self._engine.images.untag(pin(image_id))

    def owned(self) -> frozenset[str]:
        return frozenset(pinned(self._engine.images.tags(PINS)))

    def remove_owned(self, owned: str) -> None:
        self._engine.images.untag(pin(owned))

    def set_name(self, name: str, lock: ImageLock) -> None:
        """A tag, which the engine moves from one image to another in one step."""
        image_id = self._engine.image_id(self._id(lock))
        if self._engine.images.inspect(image_id) is not None:
            repository, _, tag = name.rpartition(":")
            self._engine.images.tag(image_id, repository, tag)

    def clear_name(self, name: str, lock: ImageLock) -> None:
        image = self._engine.images.inspect(name)
        if image is not None and self._content.is_image(image, lock):
            self._engine.images.untag(name)

    def targets(self, names: Collection[str]) -> Mapping[str, str]:
        images = {name: self._engine.images.inspect(name) for name in names}
        return {name: _original(image) for name, image in images.items() if image is not None}

    def storage(self) -> ImageStorage:
        return ImageStorage(*self._engine.storage())

    def inspect(self, locks: Sequence[ImageLock]) -> Mapping[str, ImageStatus]:
        identity = self._engine.identity() if locks else Identity.CONFIG
        return {lock.name: self._status(lock, identity.of(lock)) for lock in locks}

    def _status(self, lock: ImageLock, image_id: str) -> ImageStatus:
        ours = self._engine.images.inspect(pin(image_id))
        image = ours if ours and self._content.is_image(ours, lock) else self._engine.images.inspect(image_id)
        if image is None:
            return ImageStatus("absent")
        is_pinned = pin(image_id) in (image.get("RepoTags") or ())
        return ImageStatus("complete" if _has_platform(image, lock.platform) else "other platform", is_pinned, is_pinned)

    def sync(self) -> None:
        """The engine does not sync what it unpacks."""
        os.sync()

    def image_names(self) -> frozenset[str]:
        return self._engine.images.tags()

    def _id(self, lock: ImageLock) -> str:
        """By what the engine calls images now."""
        return self._engine.identity().of(lock)

    def _import(self, image: LocalImage, blob: BlobPath, name: str) -> str:
        """The ID of what was loaded, without what the engine has. A layer may go after it was asked for: then all are sent."""
        if present := self._content.layers_of(image):
            with suppress(ImportFailed, DigestMismatch):
                self._send(image, blob, name, present)
                return self._compare(image, name)
        self._send(image, blob, name, frozenset())
        return self._compare(image, name)

    def _send(self, image: LocalImage, blob: BlobPath, name: str, absent: frozenset[str]) -> None:
        lock = image.lock
        complaint = self._engine.images.load(archive.chunks(lock, blob, tag=name, plain=image.plain, absent=absent))
        if not complaint:
            self.sync()
            return
        if trouble := own_trouble(f"{lock.name} in Docker Engine", complaint, (complaint,)):
            raise trouble
        if not absent:
            archive.verify(lock, blob, image.plain)  # the most likely cause is a wrong blob in our own store, which the engine cannot name
        raise ImportFailed(f"Docker Engine refused to load {lock.name}", evidence=(complaint,))

    def _compare(self, sent: LocalImage, name: str) -> str:
        """The ID of what was loaded."""
        lock, image = sent.lock, self._engine.images.inspect(name)
        if image is None:
            raise ImportFailed(f"Docker Engine did not load {lock.name}", evidence=("it reported no error, and the image is not there",))
        expected = sent.root.digest if self._engine.identity() is Identity.ROOT else lock.config.digest
        if image["Id"] != expected:
            raise DigestMismatch(f"{lock.reference}: Docker Engine loaded {image['Id']} instead of {expected}")
        if lock.diff_ids and tuple(image["RootFS"].get("Layers") or ()) != lock.diff_ids:
            raise DigestMismatch(f"{lock.reference}: Docker Engine loaded other layers")
        if not _has_platform(image, lock.platform):
            platform = f"{image['Os']}/{image['Architecture']}"
            raise ImportFailed(f"{lock.reference} is for {platform}, not for {lock.platform}; it was removed again")
        return str(image["Id"])


def _hex(image_id: str) -> str:
    return image_id.partition(":")[2]


def _original(image: Mapping[str, Any]) -> str:
    """What an image would be called as it was published: its own ID, unless our tag is named by another."""
    ours = pinned(image.get("RepoTags") or ())
    return str(image["Id"]) if not ours or image["Id"] in ours else ours[0]


def _loading(image_id: str) -> str:
    return f"{LOADING}:{_hex(image_id)}"


def _has_platform(image: dict[str, Any], platform: Platform) -> bool:
    """Without the variant, which old engines do not tell."""
    return bool(image["Os"] == platform.os and image["Architecture"] == platform.architecture)
