"""A trust document as a value. Pure."""

from __future__ import annotations

from functools import cached_property

from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.hashing import digest_of
from kelvin_provision.spec.signatures import Signer
from kelvin_provision.trust.public_keys import PublicKey

LARGEST = 8 * 1024
"""Bytes of a document, and of its signatures."""
MOST = 64
"""Documents that travel together."""
NUMBER = 1 << 31
ROLES = ("root", "bundles", "requests", "images")


@dataclass(frozen=True)
class Role:
    """Whose signatures count for one thing, and how many of these keys must have signed."""

    keys: tuple[PublicKey, ...]
    threshold: int = 1


@dataclass(frozen=True)
class Revoked:
    """Ids of keys, and digests of bundles and of images (index or manifest)."""

    keys: tuple[str, ...] = ()
    bundles: tuple[str, ...] = ()
    images: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrustDocument:
    """Number 0 is the site file. A role of None has no keys: nothing that needs its signature is accepted."""

    number: int
    root: Role
    bundles: Role | None = None
    requests: Role | None = None
    images: Role | None = None
    revoked: Revoked = Revoked()

    def role(self, name: str) -> Role | None:
        return {"root": self.root, "bundles": self.bundles, "requests": self.requests, "images": self.images}[name]


@dataclass(frozen=True)
class SignedDocument:
    """As it travels: the exact bytes that are signed, and the document with the signatures. Nothing of it is believed."""

    content: bytes
    signatures: bytes

    @cached_property
    def digest(self) -> str:
        return digest_of(self.content)


@dataclass(frozen=True)
class Step:
    """A document that follows the one before. `signers` are key ids with names, each once."""

    document: TrustDocument
    signed: SignedDocument
    signers: tuple[tuple[str, str], ...]

    @property
    def signed_by(self) -> tuple[str, ...]:
        """For people: `anna (3f2a0c1d9b7e)`."""
        return tuple(Signer(*signer).text for signer in self.signers)
