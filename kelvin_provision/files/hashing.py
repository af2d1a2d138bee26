"""Digests as OCI writes them, `algorithm:hex`, computed while the bytes pass. hashlib is imported late: it loads OpenSSL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Self

from kelvin_provision.errors import DigestMismatch

SHORT = 12
"""Hex digits of a digest in a message."""


class Hasher:
    """Hashes what it is given and counts the bytes. `algorithm` is hashlib's name; raises ValueError for an unknown one."""

    def __init__(self, algorithm: str = "sha256") -> None:
        import hashlib

        self.algorithm = algorithm
        self.size = 0
        self._hash = hashlib.new(algorithm)

    @classmethod
    def like(cls, digest: str) -> Self:
        """With the algorithm of a digest that the result will be compared with."""
        return cls(digest.partition(":")[0])

    def update(self, chunk: bytes | memoryview) -> None:
        self._hash.update(chunk)
        self.size += len(chunk)

    @property
    def hex(self) -> str:
        return self._hash.hexdigest()

    @property
    def digest(self) -> str:
        return f"{self.algorithm}:{self.hex}"

    @property
    def short_digest(self) -> str:
        return f"{self.algorithm}:{self.hex[:SHORT]}"


def digest_of(data: bytes, algorithm: str = "sha256") -> str:
    hasher = Hasher(algorithm)
    hasher.update(data)
    return hasher.digest


def sha256_hex(text: str | bytes) -> str:
    hasher = Hasher()
    hasher.update(text.encode() if isinstance(text, str) else text)
    return hasher.hex


def has_digest(data: bytes, digest: str) -> bool:
    return digest_of(data, digest.partition(":")[0]) == digest


def verified(chunks: Iterable[bytes], digest: str, size: int) -> Iterator[bytes]:
    """Pass the chunks on; raises DigestMismatch at the end, or as soon as there are more than `size` bytes."""
    hasher = Hasher.like(digest)
    for chunk in chunks:
        hasher.update(chunk)
        if hasher.size > size:
            raise DigestMismatch(f"{digest}: more than the expected {size} bytes")
        yield chunk
    if hasher.size != size or hasher.digest != digest:
        raise DigestMismatch(f"{digest}: the content has digest {hasher.short_digest} and {hasher.size} of {size} bytes")
