"""Whether this box believes a bundle: trust documents first, then its signatures, then, and only then, its table of contents is parsed."""

from __future__ import annotations

from typing import Any

from kelvin_provision.bundles.contents import decode
from kelvin_provision.bundles.head import Head, refuse_contradiction
from kelvin_provision.bundles.model import PAYLOAD_TYPE, Contents
from kelvin_provision.bundles.opening import read_head
from kelvin_provision.bundles.parts import BundleFiles
from kelvin_provision.bundles.zips.opening import refuse_foreign
from kelvin_provision.errors import BundleRevoked, SignatureMissing, SignersTooFew, SignerUnknown
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.spec.signatures import Signer
from kelvin_provision.trust.believed import Trust, role_name
from kelvin_provision.trust.documents.accepting import Beside, Followed
from kelvin_provision.trust.documents.model import Step
from kelvin_provision.trust.documents.renewing import renewed_beside
from kelvin_provision.trust.dsse import entries_of
from kelvin_provision.trust.verifying import Verified, refuse_other, verify

_EMPTY = 4096
"""Bytes of a table of contents that an unsigned bundle of trust documents has at most."""


@dataclass(frozen=True)
class Accepted:
    """`signers` are trusted ones; `unknown` are signatures of keys that this box does not trust. `expected`: the digest was compared.

    `trust` is whom the box believes with the bundle's own trust documents, of which `steps` are new, and `before` the number without them.
    """

    contents: Contents
    digest: str
    signers: tuple[Signer, ...] = ()
    unknown: int = 0
    expected: bool = False
    trust: Trust | None = None
    steps: tuple[Step, ...] = ()
    before: int = 0
    ignored: int = 0
    """Trust documents of a bundle for a box that has no key to verify them with."""

    @property
    def warning(self) -> str:
        """For a bundle without a trusted signature or an expected digest, else empty. Without its algorithm the digest stays whole."""
        if self.signers or self.expected or (self.trust and self.trust.has_keys and is_empty(self.contents)):
            return ""
        what = "is signed by keys that this box does not trust" if self.unknown else "is not signed"
        return f"the bundle {what}; compare its digest with the desk where it was made: {self.digest.partition(':')[2]}"

    @property
    def ignored_warning(self) -> str:
        """For trust documents that cannot be verified, else empty."""
        if not self.ignored:
            return ""
        count = f"{self.ignored} trust document{'' if self.ignored == 1 else 's'}"
        return f"the bundle has {count}, and this box has no trust.keys by which to verify: nothing of them is accepted"

    def to_json(self) -> dict[str, Any]:
        return {
            "signers": [{"name": signer.name, "key": signer.key_id} for signer in self.signers],
            "unknown": self.unknown,
            "trusted": bool(self.signers),
            "expected": self.expected,
        }

    def trust_json(self) -> dict[str, Any]:
        """The number that is believed without the bundle, and what is new in it."""
        new = [{"number": step.document.number, "digest": step.signed.digest, "signers": list(step.signed_by)} for step in self.steps]
        return {"number": self.before, "new": new, "ignored": self.ignored}


def accept(head: Head, trust: Trust, expect: str = "") -> Accepted:
    """The table of contents, if this box believes it. `expect` is the digest that it must have, empty for any.

    Raises ExpectedOther, BundleRevoked, SignatureInvalid, SignerRevoked, BundleInvalid; where bundles must be signed, SignatureMissing,
    SignerUnknown and SignersTooFew; what `trust.documents.renewing` and `trust.verifying.verify` raise.
    """
    if expect:
        refuse_other(expect, head.digest)
    followed = _followed(head, trust)
    steps = followed.steps
    now = Trust(trust.settings, steps[-1].document, trust.known | {step.signed.digest for step in steps}) if steps else trust
    if head.digest in now.revoked.bundles:
        raise BundleRevoked(f"the bundle {head.digest} is revoked by trust document {now.number}")
    verified = _verified(head, now, followed)
    contents = decode(head.contents)
    refuse_contradiction(head, contents)
    if verified is None and not is_empty(contents):
        raise SignatureMissing("there is no signature")
    signers, unknown = (verified.signers, verified.unknown) if verified else ((), 0)
    ignored = 0 if trust.has_keys else len(head.trust)
    return Accepted(contents, head.digest, signers, unknown, bool(expect), now, steps, trust.number, ignored)


def is_empty(contents: Contents) -> bool:
    """Whether it brings neither a request nor an image."""
    return not contents.requests and not contents.images


def read_named(files: BundleFiles, digest: str, *, must_be_signed: bool) -> Head:
    """The head of a bundle that a person named, or that was named by its digest: a medium may answer otherwise than before.

    It is no `expect`, which a person has compared. Where bundles must be signed, and of what was found on a medium, nothing is unpacked of
    a zip that cannot be signed. Raises ExpectedOther, SignatureMissing, and as `read_head`.
    """
    if must_be_signed:
        refuse_foreign(files)
    head = read_head(files, named=not must_be_signed and not digest)
    if digest:
        refuse_other(digest, head.digest)
    return head


def _followed(head: Head, trust: Trust) -> Followed:
    if not head.trust or not trust.has_keys:
        return Followed()
    beside = Beside(role_name(PAYLOAD_TYPE), PAYLOAD_TYPE, head.contents, entries_of(head.signatures))
    return renewed_beside(trust, head.trust, beside)


def _verified(head: Head, trust: Trust, followed: Followed) -> Verified | None:
    """None where a signature is missing, and the bundle can only be one of trust documents alone: those are signed themselves."""
    try:
        return verify(PAYLOAD_TYPE, head.contents, head.signatures, trust, followed.fits)
    except SignatureMissing:
        if trust.required("bundle"):
            if head.trust and len(head.contents) <= _EMPTY:
                return None
            raise
    except (SignerUnknown, SignersTooFew):
        if trust.required("bundle"):
            raise
    return Verified((), len(entries_of(head.signatures)))
