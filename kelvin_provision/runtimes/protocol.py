"""Where images are put for containers to use. One contract suite runs on the fake, on containerd and on Docker Engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from kelvin_provision.refs import Descriptor, Platform
from kelvin_provision.spec.lock import ImageLock

BlobPath = Callable[[Descriptor], Path]


@dataclass(frozen=True)
class RuntimeInfo:
    """What answers: `containerd` or `docker`, its version, the platform it runs, and whether it honours pins."""

    name: str
    version: str
    platform: Platform
    pins: bool


@dataclass(frozen=True)
class Keeping:
    """The copies that a runtime makes of an image, each by the folder it goes to. None: it makes none, or does not say where.

    `temporary` is one of the whole archive, while it is read.
    """

    unpacked: Path | None = None
    compressed: Path | None = None
    temporary: Path | None = None


USABLE = frozenset({"complete", "unpacked"})
"""States of an image that a container can be made from."""


class ImageStatus(NamedTuple):
    """How an image stands in the runtime. `state`: complete, unpacked (snapshot without content), absent, incomplete, other digest,
    other platform. `pinned`: protected from collectors, as far as this runtime can; `ours`: what `has` believes.
    """

    state: str
    pinned: bool = False
    ours: bool = False

    @property
    def usable(self) -> bool:
        """Whether a container can be made from it."""
        return self.state in USABLE


class Runtime(Protocol):
    """Images by what they are (digests), never by a tag. Every verb may be repeated; every one may raise RuntimeUnreachable."""

    name: str

    def info(self) -> RuntimeInfo:
        """Ask the daemon; raises RuntimeUnreachable or PermissionRefused."""
        ...

    def check(self, lock: ImageLock) -> None:
        """Raise ImageUnsupported or PlatformMissing for an image that could be downloaded but never loaded. Before any byte is spent."""
        ...

    def has(self, lock: ImageLock) -> bool:
        """Whether this very image is there under its own name, complete and for the right platform."""
        ...

    def load(self, lock: ImageLock, blob: BlobPath) -> None:
        """Stream the image out of the store, compare what arrived with the lock, pin it.

        Raises ImportFailed (the runtime's words as evidence), DigestMismatch (something else arrived; it is taken out again).
        """
        ...

    def content(self, blob: Descriptor) -> AbstractContextManager[BinaryIO | None]:
        """A blob that is there already, compressed as it came, open at its first byte; None when it is not, or is kept otherwise.

        Unverified, and only to be read. A file that can be linked where there is one, else a pipe, which may end too early.
        """
        ...

    def pin(self, lock: ImageLock) -> None:
        """Protect a present image from collectors, as far as this runtime can. Absent: does nothing."""
        ...

    def remove(self, lock: ImageLock) -> None:
        """Take our name and pin away. An image in use, or known by a name that is not ours, stays. Absent: does nothing."""
        ...

    def owned(self) -> frozenset[str]:
        """`ImageLock.name` (containerd) or config digest (Docker) of every image that carries our pin."""
        ...

    def discard(self, owned: str) -> None:
        """As `remove`, for one of `owned` whose lock nobody has any more."""
        ...

    def keeping(self) -> Keeping:
        """Where images lie on this machine's disks; nothing is known of a runtime that runs elsewhere."""
        ...

    def look(self, locks: Sequence[ImageLock]) -> Mapping[str, ImageStatus]:
        """How these images stand, by `ImageLock.name`, in a few questions for all of them. Reads only."""
        ...

    def known(self) -> frozenset[str]:
        """Every name of an image that it knows, whoever brought it. Reads only."""
        ...
