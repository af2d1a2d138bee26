"""Docker Engine as the place for images: what they are is their ID, which is the digest of their config.

The engine has no pins, but `docker image prune` spares what has a tag (`prune -a` spares only what a container uses; then
the agent puts it back). So a tag of our own, made from the config's digest, is pin and mark of ownership in one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from kelvin_provision.errors import (
    DigestMismatch,
    ImageUnsupported,
    ImportFailed,
    NoSpace,
    ProvisionError,
    RuntimeUnreachable,
)
from kelvin_provision.hints import system
from kelvin_provision.refs import Descriptor, Platform
from kelvin_provision.runtimes import archive, suitable
from kelvin_provision.runtimes.engine import connect, speaking
from kelvin_provision.runtimes.protocol import BlobPath, ImageStatus, ImageStorage, RuntimeInfo
from kelvin_provision.spec.lock import ImageLock

PINS = "kelvin-provision/pin"
LOADING = "kelvin-provision/loading"  # not a pin yet: what arrived has not been compared
SNAPSHOTTER = "io.containerd.snapshotter.v1"


class DockerRuntime:
    """`base_url` as in DOCKER_HOST; `client` makes the SDK's client in its place."""

    name = "docker"

    def __init__(self, base_url: str | None = None, *, client: Callable[[], Any] | None = None) -> None:
        self._make = client or (lambda: connect(base_url))
        self._client: Any = None

    @property
    def _api(self) -> Any:
        if self._client is None:
            self._client = self._make()
        return self._client

    def info(self) -> RuntimeInfo:
        """The engine's version and platform."""
        with speaking():
            version = self._api.version()
        host, platform = Platform.of_this_host(), Platform(version["Os"], version["Arch"])
        same = (platform.os, platform.architecture) == (host.os, host.architecture)
        return RuntimeInfo(self.name, version["Version"], host if same else platform, pins=True, completes_short_names=True)

    def check(self, lock: ImageLock) -> None:
        """Refuse another platform, what is no container image, and zstd layers where the engine is too old for them."""
        here = self.info()
        self._check_store(lock)
        suitable.check(lock, here.platform)
        suitable.for_docker(lock, here.version)

    def _check_store(self, lock: ImageLock) -> None:
        """The containerd image store names an image by its manifest, and not by its config: an identity that we do not speak yet."""
        with speaking():
            status = self._api.info().get("DriverStatus") or []
        if ["driver-type", SNAPSHOTTER] in [list(pair) for pair in status]:
            raise ImageUnsupported(
                f"{lock.reference}: Docker Engine is set to the containerd image store",
                hint=system(
                    "systemctl",
                    "restart",
                    "docker",
                    instruction='set "features": {"containerd-snapshotter": false} in /etc/docker/daemon.json, then',
                ),
            )

    def has(self, lock: ImageLock) -> bool:
        """By ID, with our pin and for the right platform; the engine's own digests say that it is whole."""
        found = self._inspect(_pin(lock))
        return found is not None and found["Id"] == lock.config.digest and _fits(found, lock)

    def load(self, lock: ImageLock, blob: BlobPath) -> None:
        """Stream it under a name that nothing believes in, compare what arrived, then pin it."""
        if self.has(lock):
            return
        loading = f"{LOADING}:{_hex(lock)}"
        try:
            self._stream(lock, blob, loading)
            self._compare(lock, loading)
            self.pin(lock)
        finally:
            with suppress(ProvisionError):  # what went wrong first is what people must read
                self._untag(loading)

    @contextmanager
    def open_blob(self, blob: Descriptor) -> Iterator[BinaryIO | None]:  # noqa: ARG002  (the protocol's)
        """Nothing: the engine keeps no compressed layers."""
        yield None

    def pin(self, lock: ImageLock) -> None:
        """Give a present image our tag."""
        if self._inspect(lock.config.digest) is None:
            return
        with speaking():
            self._api.tag(lock.config.digest, PINS, tag=_hex(lock))

    def remove(self, lock: ImageLock) -> None:
        """Take our tag away; the image goes with its last name. One that a container uses stays, tag and all, for another time."""
        self._untag(f"{LOADING}:{_hex(lock)}")  # of a load that was cut off
        self._untag(_pin(lock))

    def owned(self) -> frozenset[str]:
        """IDs of all images that have our tag."""
        with speaking():
            found = self._api.images(name=PINS)
        return frozenset(image["Id"] for image in found)

    def remove_owned(self, owned: str) -> None:
        """Our tag is made from its ID."""
        self._untag(f"{PINS}:{owned.partition(':')[2]}")

    def storage(self) -> ImageStorage:
        """Unpacked layers alone, and while it loads the archive once more. What another machine has is not ours to know."""
        if not self._is_local:
            return ImageStorage()
        with speaking():
            root = self._api.info().get("DockerRootDir")
        return ImageStorage(unpacked=Path(root), temporary=Path(root) / "tmp") if root and Path(root).is_dir() else ImageStorage()

    @property
    def _is_local(self) -> bool:
        return str(getattr(self._api, "base_url", "")) == "http+docker://localhost"

    def inspect(self, locks: Sequence[ImageLock]) -> Mapping[str, ImageStatus]:
        """By ID; the engine has no images that are there in part."""
        return {lock.name: self._sight(lock) for lock in locks}

    def _sight(self, lock: ImageLock) -> ImageStatus:
        found = self._inspect(lock.config.digest)
        if found is None:
            return ImageStatus("absent")
        pinned = _pin(lock) in (found.get("RepoTags") or ())
        return ImageStatus("complete" if _fits(found, lock) else "other platform", pinned, pinned)

    def image_names(self) -> frozenset[str]:
        """Every tag."""
        with speaking():
            found = self._api.images()
        return frozenset(tag for image in found for tag in image.get("RepoTags") or ())

    def _stream(self, lock: ImageLock, blob: BlobPath, name: str) -> None:
        """The SDK sends a generator chunk by chunk, and what the generator raises comes through as it is."""
        words = self._feed(archive.chunks(lock, blob, repo_tags=[name]))
        if not words:
            os.sync()  # the engine does not sync what it unpacked
            return
        if any(sign in words.lower() for sign in ("no space left", "disk quota exceeded")):
            raise NoSpace(f"no space left for {lock.name} in Docker Engine", evidence=(words,))
        archive.verify(lock, blob)  # the likeliest reason, and one that the engine cannot name: our own disk
        raise ImportFailed(f"Docker Engine did not take {lock.name}", evidence=(words,))

    def _feed(self, chunks: Iterator[bytes]) -> str:
        """What the engine has against it, in its words; empty when it has taken all. Errors come in three ways."""
        import docker
        import requests

        try:
            with speaking():
                for line in self._api.load_image(chunks, quiet=True):
                    if "error" in line:
                        return str(line["error"]).strip()
        except ImportFailed as error:
            if not isinstance(error.__cause__, docker.errors.APIError):
                raise
            return str(error)
        except RuntimeUnreachable as error:
            if not isinstance(error.__cause__, requests.ConnectionError):
                raise
            self.info()  # an engine that still answers has hung up because it did not like what it read
            return str(error.__cause__)
        return ""

    def _compare(self, lock: ImageLock, name: str) -> None:
        found = self._inspect(name)
        if found is None:
            raise ImportFailed(f"Docker Engine did not take {lock.name}", evidence=("it says so of nothing, and has nothing",))
        if found["Id"] != lock.config.digest:
            raise DigestMismatch(f"{lock.reference}: {found['Id']} arrived in Docker Engine instead of {lock.config.digest}")
        if tuple(found["RootFS"].get("Layers") or ()) != (lock.diff_ids or tuple(found["RootFS"].get("Layers") or ())):
            raise DigestMismatch(f"{lock.reference}: other layers arrived in Docker Engine")
        if not _fits(found, lock):
            platform = f"{found['Os']}/{found['Architecture']}"
            raise ImportFailed(f"{lock.reference} is for {platform}, not for {lock.platform}; it was taken out again")

    def _inspect(self, name: str) -> dict[str, Any] | None:
        import docker

        with speaking():
            try:
                found: dict[str, Any] = self._api.inspect_image(name)
            except docker.errors.ImageNotFound:
                return None
        return found

    def _untag(self, name: str) -> None:
        """Never by force: that takes an image from under the stopped container that a roll-back needs."""
        import docker

        with speaking():
            try:
                self._api.remove_image(name)
            except docker.errors.ImageNotFound:
                return
            except docker.errors.APIError as error:
                if error.status_code != 409:
                    raise


def _hex(lock: ImageLock) -> str:
    return lock.config.digest.partition(":")[2]


def _pin(lock: ImageLock) -> str:
    return f"{PINS}:{_hex(lock)}"


def _fits(found: dict[str, Any], lock: ImageLock) -> bool:
    """The lock's platform, as far as the engine tells it: old ones say nothing of the variant."""
    return bool(found["Os"] == lock.platform.os and found["Architecture"] == lock.platform.architecture)
