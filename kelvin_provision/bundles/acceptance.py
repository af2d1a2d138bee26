"""Whether this box believes a bundle: its signatures first, then, and only then, its table of contents is parsed."""

from __future__ import annotations

from typing import Any

from kelvin_provision.bundles.contents import decode
from kelvin_provision.bundles.head import Head, refuse_contradiction
from kelvin_provision.bundles.model import PAYLOAD_TYPE, Contents
from kelvin_provision.bundles.opening import read_head
from kelvin_provision.bundles.parts import BundleFiles
from kelvin_provision.bundles.zips.opening import refuse_foreign
from kelvin_provision.errors import SignatureMissing, SignerUnknown
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.settings.model import TrustSettings
from kelvin_provision.trust.dsse import entries_of
from kelvin_provision.trust.policy import required
from kelvin_provision.trust.verifying import Signer, Verified, refuse_other, verify


@dataclass(frozen=True)
class Accepted:
    """`signers` are trusted ones; `unknown` are signatures of keys that this box does not trust. `expected`: the digest was compared."""

    contents: Contents
    digest: str
    signers: tuple[Signer, ...] = ()
    unknown: int = 0
    expected: bool = False

    @property
    def warning(self) -> str:
        """For a bundle without a trusted signature or an expected digest, else empty. Without its algorithm the digest stays whole."""
        if self.signers or self.expected:
            return ""
        what = "is signed by keys that this box does not trust" if self.unknown else "is not signed"
        return f"the bundle {what}; compare its digest with the desk where it was made: {self.digest.partition(':')[2]}"

    def to_json(self) -> dict[str, Any]:
        return {
            "signers": [{"name": signer.name, "key": signer.key_id} for signer in self.signers],
            "unknown": self.unknown,
            "trusted": bool(self.signers),
            "expected": self.expected,
        }


def accept(head: Head, trust: TrustSettings, expect: str = "") -> Accepted:
    """The table of contents, if this box believes it. `expect` is the digest that it must have, empty for any.

    Raises ExpectedOther, SignatureInvalid, BundleInvalid; where bundles must be signed, SignatureMissing and SignerUnknown; what
    `trust.verifying.verify` raises.
    """
    if expect:
        refuse_other(expect, head.digest)
    verified = _verified(head, trust)
    contents = decode(head.contents)
    refuse_contradiction(head, contents)
    return Accepted(contents, head.digest, verified.signers, verified.unknown, expected=bool(expect))


def read_named(files: BundleFiles, digest: str, trust: TrustSettings) -> Head:
    """The head of a bundle that was named by its digest, empty for any: a medium may answer otherwise than when it was looked for.

    It is no `expect`, which a person has compared. Where bundles must be signed, nothing is unpacked of a zip that cannot be. Raises
    ExpectedOther, SignatureMissing, and as `read_head`.
    """
    if required(trust, "bundle"):
        refuse_foreign(files)
    head = read_head(files)
    if digest:
        refuse_other(digest, head.digest)
    return head


def _verified(head: Head, trust: TrustSettings) -> Verified:
    try:
        return verify(PAYLOAD_TYPE, head.contents, head.signatures, trust)
    except (SignatureMissing, SignerUnknown):
        if required(trust, "bundle"):
            raise
    return Verified((), len(entries_of(head.signatures)))
