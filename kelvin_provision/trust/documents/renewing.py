"""Which of the trust documents that came along are new, and follow."""

from __future__ import annotations

from collections.abc import Sequence

from kelvin_provision.trust.believed import Trust
from kelvin_provision.trust.documents.accepting import Beside, Followed, followed
from kelvin_provision.trust.documents.model import SignedDocument, Step


def renewed(trust: Trust, documents: Sequence[SignedDocument]) -> tuple[Step, ...]:
    """The new ones, alone."""
    return renewed_beside(trust, documents, None).steps


def renewed_beside(trust: Trust, documents: Sequence[SignedDocument], beside: Beside | None) -> Followed:
    """Those that this box has accepted before are passed over, by their digests; the rest must follow, all or none.

    Raises TrustDocumentInvalid, TrustDocumentRefused, TrustedKeyInvalid, and what keeps them from being checked.
    """
    new = [signed for signed in documents if signed.digest not in trust.known]
    return followed(trust.current, new, beside) if new else Followed()
