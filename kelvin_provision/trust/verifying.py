"""Whether these bytes are signed with a key that this box trusts. They are not parsed."""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from kelvin_provision.errors import (
    ExpectedOther,
    ProvisionError,
    SignatureInvalid,
    SignatureMissing,
    SignerRevoked,
    SignersTooFew,
    SignerUnknown,
)
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.hints import command
from kelvin_provision.spec.signatures import Signer
from kelvin_provision.trust.believed import Trust
from kelvin_provision.trust.computing import fitting
from kelvin_provision.trust.documents.accepting import Fitting
from kelvin_provision.trust.documents.model import Role
from kelvin_provision.trust.dsse import Entry, entries_of
from kelvin_provision.trust.public_keys import PublicKey


@dataclass(frozen=True)
class Verified:
    """At least one signer, each once. `unknown` counts the signatures of keys that this box does not trust."""

    signers: tuple[Signer, ...]
    unknown: int

    @property
    def text(self) -> str:
        return ", ".join(signer.text for signer in self.signers)


def verify(payload_type: str, payload: bytes, signatures: bytes, trust: Trust, fits: Fitting = fitting) -> Verified:
    """Who signed exactly these bytes, as this type: as many of those whose signatures count for it as must have. `fits` checks them.

    Raises SignatureMissing, SignatureInvalid, SignerUnknown, SignersTooFew, SignerRevoked, TrustedKeyInvalid; Locked, ApiMissing or
    OurBug if it could not be checked.
    """
    role = trust.role(payload_type)
    verified, entries = _verified(payload_type, payload, signatures, role.keys if role else (), fits)
    if role is None or len(verified.signers) < role.threshold:
        raise _too_few(entries, verified, trust, role)
    return verified


def verify_with(payload_type: str, payload: bytes, signatures: bytes, keys: tuple[PublicKey, ...]) -> Verified:
    """The same with these keys, of which one is enough."""
    verified, entries = _verified(payload_type, payload, signatures, keys, fitting)
    if not verified.signers:
        raise _unknown(entries, has_keys=bool(keys))
    return verified


def _verified(
    payload_type: str, payload: bytes, signatures: bytes, keys: tuple[PublicKey, ...], fits: Fitting
) -> tuple[Verified, tuple[Entry, ...]]:
    """Those of these keys that have signed, each once, and all signatures."""
    entries = entries_of(signatures)
    if not entries:
        raise SignatureMissing("there is no signature")
    known = {key.key_id: key for key in keys}
    pairs = [(known[entry.key_id], entry.signature) for entry in entries if entry.key_id in known]
    for (key, _), is_right in zip(pairs, fits(payload_type, payload, pairs) if pairs else (), strict=True):
        if not is_right:
            raise SignatureInvalid(f"the signature of {key.text} does not belong to this content")
    signers = tuple(dict.fromkeys(Signer(key.key_id, key.name) for key, _ in pairs))
    return Verified(signers, len(entries) - len(pairs)), entries


def _too_few(entries: Sequence[Entry], verified: Verified, trust: Trust, role: Role | None) -> ProvisionError:
    for entry in entries:
        if entry.key_id in trust.revoked.keys:
            return SignerRevoked(f"signed with key {entry.key_id[:12]}, which is revoked")
    if verified.signers and role:
        return SignersTooFew(f"signed by {verified.text}, and {role.threshold} of the {len(role.keys)} trusted keys must have signed it")
    return _unknown(entries, has_keys=trust.has_keys)


def _unknown(entries: Sequence[Entry], *, has_keys: bool) -> SignerUnknown:
    others = f" and {len(entries) - 1} more" if len(entries) > 1 else ""
    if not has_keys:
        return SignerUnknown("there are no trusted keys", hint=command("config set", "trust.keys", "FILE", sudo=True))
    return SignerUnknown(f"signed with key {entries[0].key_id[:12]}{others}, which is not one of the trusted keys")


def refuse_other(expected: str, actual: str) -> None:
    """For what is not signed: the digest that was read out against the digest of what is there. Raises ExpectedOther."""
    digest = expected.strip().lower()
    digest = digest if ":" in digest else f"sha256:{digest}"
    if not hmac.compare_digest(digest.encode(), actual.encode()):
        raise ExpectedOther(f"expected {expected}, and it is {actual}")
