"""Names of images and what they point at: references, platforms, descriptors, digests.

Pure values. Reference grammar: distribution/reference; descriptors: OCI image-spec 1.1.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Self

from kelvin_provision.errors import ReferenceInvalid

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_HOST = re.compile(r"(?:[a-zA-Z0-9](?:[-a-zA-Z0-9.]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?")
_PATH = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_ARM = re.compile(r"v([5-9])")
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armv6l": "arm", "i686": "386"}
DOCKER_HUB = "docker.io"


def is_digest(text: str) -> bool:
    """Whether this is a digest of an algorithm we verify (sha256, sha512), in canonical form."""
    return _DIGEST.fullmatch(text) is not None


@dataclass(frozen=True)
class Reference:
    """`host/repository[:tag][@digest]`, fully normalised: `x:1` is `docker.io/library/x:1`."""

    host: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a reference as people write it; raises ReferenceInvalid."""
        rest, at, digest = text.partition("@")
        if at and not is_digest(digest):
            raise ReferenceInvalid(f"{text}: {digest or 'nothing'} after @ is not a digest")
        slash, colon = rest.rfind("/"), rest.rfind(":")
        rest, tag = (rest[:colon], rest[colon + 1 :]) if colon > slash else (rest, None)
        first, cut, path = rest.partition("/")
        if not cut or not ("." in first or ":" in first or first == "localhost"):
            first, path = DOCKER_HUB, rest
        if first in {"index.docker.io", "registry-1.docker.io"}:
            first = DOCKER_HUB
        if first == DOCKER_HUB and "/" not in path:
            path = f"library/{path}"
        if not _HOST.fullmatch(first) or not _PATH.fullmatch(path) or len(path) > 255:
            raise ReferenceInvalid(f"{text}: not an image reference")
        if tag is not None and not _TAG.fullmatch(tag):
            raise ReferenceInvalid(f"{text}: {tag or 'nothing'} after : is not a tag")
        return cls(first, path, tag, digest or None)

    @property
    def name(self) -> str:
        """Host and repository, without tag and digest."""
        return f"{self.host}/{self.repository}"

    @property
    def movable(self) -> bool:
        """Whether what it names may change under it: no digest, and `latest` or no tag at all."""
        return self.digest is None and self.tag in {None, "latest"}

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.name}{tag}{f'@{self.digest}' if self.digest else ''}"


@dataclass(frozen=True)
class Platform:
    """What an image runs on, in the words of the OCI image index."""

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def of_this_host(cls) -> Self:
        """The platform of the kernel that we run on."""
        machine = os.uname().machine
        variant = {"armv7l": "v7", "armv6l": "v6"}.get(machine, "")
        return cls("linux", _MACHINES.get(machine, machine), variant)

    def accepts(self, other: Platform) -> bool:
        """Whether an image made for `other` runs here. An arm64 `v8` is the plain arm64; an older arm variant runs on a newer."""
        if (self.os, self.architecture) != (other.os, other.architecture):
            return False
        if self.architecture == "arm":
            return 0 < _arm(other) <= _arm(self)
        return other.variant in {"", "v8" if self.architecture == "arm64" else "v1", self.variant}

    def closeness(self, other: Platform) -> tuple[bool, int]:
        """Of several that it accepts, the best one for this platform is the greatest."""
        return other.variant == self.variant, _arm(other) if self.architecture == "arm" else 0

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))


def _arm(platform: Platform) -> int:
    """An arm variant as a number; none means v7 (as in containerd), 0 is none that we know."""
    found = _ARM.fullmatch(platform.variant or "v7")
    return int(found[1]) if found else 0


@dataclass(frozen=True)
class Descriptor:
    """A blob by media type, digest and size in bytes (OCI image-spec, descriptor.md)."""

    media_type: str
    digest: str
    size: int
