"""Image references, platforms, descriptors and digests.

Pure values. Reference grammar: distribution/reference; descriptors: OCI image-spec 1.1.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import Self

from kelvin_provision.errors import ReferenceInvalid
from kelvin_provision.fast_dataclass import dataclass

DIGEST = r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}"
_HOST = r"(?:[a-zA-Z0-9](?:[-a-zA-Z0-9.]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?"
_PATH = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"
_ARM = r"v([5-9])"
_PLATFORM = r"[a-z0-9._-]{1,64}(?:/[a-z0-9._-]{1,64}){1,2}"
_NARROW = {"amd64": "386", "arm64": "arm"}
"""The 32-bit architecture whose programs a kernel can run, if it was built for that."""

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armv6l": "arm", "i686": "386"}
DOCKER_HUB = "docker.io"


def is_digest(text: str) -> bool:
    """In canonical form, and of an algorithm that is verified here: sha256 or sha512."""
    return re.fullmatch(DIGEST, text) is not None


def is_tag(text: str) -> bool:
    return re.fullmatch(_TAG, text) is not None


@dataclass(frozen=True)
class Reference:
    """`host/repository[:tag][@digest]`, normalised: `x:1` is `docker.io/library/x:1`."""

    host: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Short forms are completed as Docker does. Raises ReferenceInvalid."""
        name, at, digest = text.partition("@")
        if at and not is_digest(digest):
            raise ReferenceInvalid(f"{text}: invalid digest {digest!r}")
        slash, colon = name.rfind("/"), name.rfind(":")
        name, tag = (name[:colon], name[colon + 1 :]) if colon > slash else (name, None)
        host, separator, path = name.partition("/")
        if not separator or not ("." in host or ":" in host or host == "localhost"):
            host, path = DOCKER_HUB, name
        if host in {"index.docker.io", "registry-1.docker.io"}:
            host = DOCKER_HUB
        if host == DOCKER_HUB and "/" not in path:
            path = f"library/{path}"
        if not re.fullmatch(_HOST, host) or not re.fullmatch(_PATH, path) or len(path) > 255:
            raise ReferenceInvalid(f"{text}: invalid image reference")
        if tag is not None and not re.fullmatch(_TAG, tag):
            raise ReferenceInvalid(f"{text}: invalid tag {tag!r}")
        return cls(host, path, tag, digest or None)

    @property
    def name(self) -> str:
        return f"{self.host}/{self.repository}"

    @property
    def local_name(self) -> str | None:
        """`host/path:tag`: the name under which a runtime looks for it; None with a digest, which is in the name of every staged image."""
        return None if self.digest else f"{self.name}:{self.tag or 'latest'}"

    @property
    def mutable(self) -> bool:
        """Whether it may name another image tomorrow: no digest, and `latest` or no tag at all."""
        return self.digest is None and self.tag in {None, "latest"}

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.name}{tag}{f'@{self.digest}' if self.digest else ''}"


@dataclass(frozen=True)
class Platform:
    """Operating system, architecture and variant, as in an OCI image index.

    `runs_32_bit`, of a node alone: it accepts a 32-bit image if there is none for its own architecture.
    """

    os: str
    architecture: str
    variant: str = ""
    runs_32_bit: bool = False

    @classmethod
    def of_this_host(cls, *, runs_32_bit: bool = False) -> Self:
        machine = os.uname().machine
        variant = {"armv7l": "v7", "armv6l": "v6"}.get(machine, "")
        return cls("linux", _MACHINES.get(machine, machine), variant, runs_32_bit)

    @classmethod
    def parse(cls, text: str) -> Self:
        """`linux/arm64` or `linux/arm/v7`. Raises ValueError."""
        if not re.fullmatch(_PLATFORM, text):
            raise ValueError(f"expected a platform such as linux/arm64 or linux/arm/v7, got {text or 'nothing'}")
        system, architecture, variant, *_ = [*text.split("/"), ""]
        return cls(system, architecture, variant)

    def accepts(self, other: Platform) -> bool:
        """Whether an image for `other` runs on this platform. arm64 `v8` is plain arm64; an older arm variant runs on a newer one."""
        if self.runs_32_bit and self.os == other.os and other.architecture == _NARROW.get(self.architecture):
            return other.architecture != "arm" or 0 < _arm(other) <= _ARM_OF_64_BITS
        if (self.os, self.architecture) != (other.os, other.architecture):
            return False
        if self.architecture == "arm":
            return 0 < _arm(other) <= _arm(self)
        return other.variant in {"", "v8" if self.architecture == "arm64" else "v1", self.variant}

    def closeness(self, other: Platform) -> tuple[bool, bool, int]:
        """A sort key: of several platforms that it accepts, the best match is the greatest."""
        same = other.architecture == self.architecture
        return same, same and other.variant == self.variant, _arm(other) if other.architecture == "arm" else 0

    def would_accept(self, other: Platform) -> bool:
        """Whether it would if it ran 32-bit images."""
        return replace(self, runs_32_bit=True).accepts(other)

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))


_ARM_OF_64_BITS = 8


def _arm(platform: Platform) -> int:
    """An arm variant as a number: without one it is v7 (as in containerd), an unknown one is 0."""
    match = re.fullmatch(_ARM, platform.variant or "v7")
    return int(match[1]) if match else 0


@dataclass(frozen=True)
class Descriptor:
    """A blob by media type, digest and size in bytes (OCI image-spec, descriptor.md)."""

    media_type: str
    digest: str
    size: int
