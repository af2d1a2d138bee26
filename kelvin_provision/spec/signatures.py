"""Signatures as values: who signed, the files of a signature of an image, and what is known of those of one image. Pure."""

from __future__ import annotations

from typing import Any, Self

from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.refs import Descriptor, is_digest
from kelvin_provision.spec.media_types import OCI_MANIFEST


@dataclass(frozen=True)
class SignatureFiles:
    """What a registry has of a signature: its manifest, and the payloads that the manifest names. Each is a blob.

    Sizes are those of the bytes that were received, not what a manifest says. `medium`: it came in a bundle, which no registry can change.
    """

    manifest: Descriptor
    payloads: tuple[Descriptor, ...]
    medium: bool = False

    def blobs(self) -> tuple[Descriptor, ...]:
        return (self.manifest, *self.payloads)

    def to_json(self) -> list[list[Any]]:
        return [[blob.digest, blob.size] for blob in self.blobs()]

    @classmethod
    def from_json(cls, document: list[list[Any]], *, medium: bool = False) -> Self:
        """The inverse of `to_json`. Raises ValueError, TypeError for a document that is damaged."""
        manifest, *payloads = [_blob(*row) for row in document]
        return cls(Descriptor(OCI_MANIFEST, manifest.digest, manifest.size), tuple(payloads), medium)


def _blob(digest: Any, size: Any) -> Descriptor:
    if not isinstance(digest, str) or not is_digest(digest) or type(size) is not int or not 0 <= size < 1 << 53:
        raise ValueError(digest)
    return Descriptor("", digest, size)


@dataclass(frozen=True)
class Signer:
    """A key that has signed, and its name here at that time, as people call it."""

    key_id: str
    name: str

    @property
    def text(self) -> str:
        """For people: `anna (3f2a0c1d9b7e)`."""
        return f"{self.name} ({self.key_id[:12]})"


@dataclass(frozen=True)
class ImageVerdict:
    """Who signed an image, of the keys that were `tried` (their ids).

    `seen`: digests of the manifests of its signatures. `keyless` signatures were made with certificates, `others` with other keys;
    neither counts. `remarks` say why further ones do not; `unread` why something that was found at the last look was not taken as one.
    """

    signers: tuple[Signer, ...] = ()
    tried: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()
    keyless: int = 0
    others: int = 0
    remarks: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "signers": [[signer.key_id, signer.name] for signer in self.signers],
            "tried": list(self.tried),
            "seen": list(self.seen),
            "keyless": self.keyless,
            "others": self.others,
            "remarks": list(self.remarks),
            "unread": list(self.unread),
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """The inverse of `to_json`. Raises ValueError, TypeError, KeyError for a document that is damaged."""
        return cls(
            tuple(Signer(*map(_text, signer)) for signer in document["signers"]),
            tuple(map(_text, document["tried"])),
            tuple(map(_text, document["seen"])),
            int(document["keyless"]),
            int(document["others"]),
            tuple(map(_text, document["remarks"])),
            tuple(map(_text, document.get("unread", ()))),
        )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value
