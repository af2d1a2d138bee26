"""Where images are put for containers to use. One contract suite runs on the fake, on containerd and on Docker Engine."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from kelvin_provision.refs import Descriptor, Platform
from kelvin_provision.spec.identity import Identity
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.media_types import ImageSupport, support_of
from kelvin_provision.spec.rebuilt import NO_PLAIN, PlainLayers

BlobPath = Callable[[Descriptor], Path]


@dataclass(frozen=True)
class RuntimeInfo:
    """`name` is containerd or docker. `pins`: it never collects a pinned image by itself.

    `identity`: what it calls images by. `unpacker`: the version of the containerd that unpacks them, if it is not the runtime itself.
    `completes_short_names`: `motor:1` is the same image as `docker.io/library/motor:1`; elsewhere pods of such an image hang.
    `finds_by_digest`: it finds an imported image under `host/path@sha256:...`, not only under a tag.
    """

    name: str
    version: str
    platform: Platform
    pins: bool
    completes_short_names: bool = False
    finds_by_digest: bool = True
    identity: Identity = Identity.NAME
    unpacker: str = ""

    @property
    def support(self) -> ImageSupport:
        """The images that it can unpack."""
        return support_of(self.identity, self.unpacker or self.version)


@dataclass(frozen=True)
class ImageStorage:
    """The folders that a runtime keeps copies of an image in. None: it keeps no such copy, or does not tell where.

    `temporary` takes the whole archive while it is read.
    """

    unpacked: Path | None = None
    compressed: Path | None = None
    temporary: Path | None = None


USABLE = frozenset({"complete", "unpacked"})
"""States of an image that a container can be made from."""


class ImageStatus(NamedTuple):
    """`state`: complete, unpacked (snapshot without content), absent, incomplete, other digest, other platform.

    `pinned`: protected from garbage collection, as far as this runtime can; `ours`: it carries our label, so `has` counts it.
    """

    state: str
    pinned: bool = False
    ours: bool = False

    @property
    def usable(self) -> bool:
        return self.state in USABLE


class Runtime(Protocol):
    """Images by digest, never by tag, apart from local names.

    Every verb may be repeated and may raise RuntimeUnreachable; a missing image is no error.
    """

    name: str

    def info(self) -> RuntimeInfo:
        """Ask the daemon; raises RuntimeUnreachable or PermissionRefused."""
        ...

    def check(self, lock: ImageLock) -> None:
        """Raise ImageUnsupported or PlatformMissing for an image that this runtime cannot load. Called before anything is downloaded."""
        ...

    def has(self, lock: ImageLock) -> bool:
        """Whether this image is present under its own name, as published or with plain layers, complete and for the right platform."""
        ...

    def load(self, lock: ImageLock, blob: BlobPath, plain: PlainLayers = NO_PLAIN) -> None:
        """Import the image from the store, compare the result with the lock, pin it. `plain`: its layers that the store has rebuilt.

        Layers that the runtime has are not sent; when one of them is gone in the end, all are sent.

        Raises ImportFailed (the runtime's words as evidence), RuntimeFailed and NoSpace (the runtime is to blame, not the image), and
        DigestMismatch (another image arrived, which is removed again; or a blob of the store is wrong or missing).
        """
        ...

    def open_blob(self, blob: Descriptor) -> AbstractContextManager[BinaryIO | None]:
        """A compressed blob that the runtime has, open at its first byte; None when it has none or keeps layers unpacked only.

        Unverified and read-only. A file that can be linked where possible, else a pipe, which may end early.
        """
        ...

    def pin(self, lock: ImageLock) -> None:
        """Protect an image from garbage collection, as far as this runtime can."""
        ...

    def remove(self, lock: ImageLock) -> None:
        """Remove our name and pin. The image stays while a container uses it or another name points to it."""
        ...

    def owned(self) -> frozenset[str]:
        """The identity (`RuntimeInfo.identity`) of every image that carries our pin."""
        ...

    def remove_owned(self, owned: str) -> None:
        """As `remove`, for one of `owned` of which no lock is left."""
        ...

    def set_name(self, name: str, lock: ImageLock) -> None:
        """Let a local name (`host/path:tag`) stand for this image, whatever it stood for; nothing happens if the image is missing."""
        ...

    def clear_name(self, name: str, lock: ImageLock) -> None:
        """Remove a local name that stands for this image; if it stands for another one, it stays."""
        ...

    def targets(self, names: Collection[str]) -> Mapping[str, str]:
        """The digest that each of these names stands for (see `spec.identity`), without names that do not exist. Reads only.

        For an image with plain layers it is that of the original.
        """
        ...

    def storage(self) -> ImageStorage:
        """Where images lie on this machine's disks; empty for a runtime on another machine."""
        ...

    def inspect(self, locks: Sequence[ImageLock]) -> Mapping[str, ImageStatus]:
        """By `ImageLock.name`, with a constant number of queries. Reads only."""
        ...

    def sync(self) -> None:
        """Return when all that it wrote is on the disk."""
        ...

    def image_names(self) -> frozenset[str]:
        """Every name of every image, ours or not. Reads only."""
        ...
