"""Whether these bytes are signed with a key that this box trusts. They are not parsed."""

from __future__ import annotations

import hmac

from kelvin_provision.errors import ExpectedOther, SignatureInvalid, SignatureMissing, SignerUnknown
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.hints import command
from kelvin_provision.settings.model import TrustSettings
from kelvin_provision.trust.computing import fitting
from kelvin_provision.trust.dsse import entries_of
from kelvin_provision.trust.public_keys import PublicKey
from kelvin_provision.trust.trusted import trusted_keys


@dataclass(frozen=True)
class Signer:
    """`name` is the key's file name, as people call it."""

    key_id: str
    name: str

    @property
    def text(self) -> str:
        """For people: `anna (3f2a0c1d9b7e)`."""
        return f"{self.name} ({self.key_id[:12]})"


@dataclass(frozen=True)
class Verified:
    """At least one signer, each once. `unknown` counts the signatures of keys that this box does not trust."""

    signers: tuple[Signer, ...]
    unknown: int

    @property
    def text(self) -> str:
        return ", ".join(signer.text for signer in self.signers)


def verify(payload_type: str, payload: bytes, signatures: bytes, trust: TrustSettings) -> Verified:
    """Who signed exactly these bytes, as this type.

    Raises SignatureMissing, SignatureInvalid, SignerUnknown, TrustedKeyInvalid; Locked, ApiMissing or OurBug if it could not be checked.
    """
    return verify_with(payload_type, payload, signatures, trusted_keys(trust))


def verify_with(payload_type: str, payload: bytes, signatures: bytes, keys: tuple[PublicKey, ...]) -> Verified:
    """The same with these keys."""
    entries = entries_of(signatures)
    if not entries:
        raise SignatureMissing("there is no signature")
    known = {key.key_id: key for key in keys}
    pairs = [(known[entry.key_id], entry.signature) for entry in entries if entry.key_id in known]
    if not pairs:
        raise _unknown(entries[0].key_id, len(entries), keys)
    for (key, _), fits in zip(pairs, fitting(payload_type, payload, pairs), strict=True):
        if not fits:
            raise SignatureInvalid(f"the signature of {key.name} ({key.key_id[:12]}) does not belong to this content")
    signers = dict.fromkeys(Signer(key.key_id, key.name) for key, _ in pairs)
    return Verified(tuple(signers), len(entries) - len(pairs))


def _unknown(first: str, count: int, keys: tuple[PublicKey, ...]) -> SignerUnknown:
    others = f" and {count - 1} more" if count > 1 else ""
    if not keys:
        return SignerUnknown("there are no trusted keys", hint=command("config set", "trust.keys", "FILE", sudo=True))
    return SignerUnknown(f"signed with key {first[:12]}{others}, which is not one of the trusted keys")


def refuse_other(expected: str, actual: str) -> None:
    """For what is not signed: the digest that was read out against the digest of what is there. Raises ExpectedOther."""
    digest = expected.strip().lower()
    digest = digest if ":" in digest else f"sha256:{digest}"
    if not hmac.compare_digest(digest.encode(), actual.encode()):
        raise ExpectedOther(f"expected {expected}, and it is {actual}")
