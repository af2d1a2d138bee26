"""Whom this box believes: the newest trust document that it has accepted, and before the first the keys of its site file."""

from __future__ import annotations

from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.settings.model import TrustSettings
from kelvin_provision.trust.documents.model import Revoked, Role, TrustDocument
from kelvin_provision.trust.dsse import BUNDLE, PUBLICATION, RELEASE, REQUEST
from kelvin_provision.trust.policy import required
from kelvin_provision.trust.trusted import trusted_keys

_ROLES = {BUNDLE: "bundles", REQUEST: "requests", PUBLICATION: "requests", RELEASE: "root"}
"""By the type of what is signed. Publications are requests. Who may say whom a box believes may also bring the program that does."""


def role_name(payload_type: str) -> str:
    """Whose signatures count for what is signed as this type."""
    return _ROLES[payload_type]


@dataclass(frozen=True)
class Trust:
    """`document` is None before the first; the files of the settings are read when they are asked for.

    `known` are the digests of all documents that were accepted.
    """

    settings: TrustSettings
    document: TrustDocument | None = None
    known: frozenset[str] = frozenset()

    @property
    def number(self) -> int:
        return self.document.number if self.document else 0

    @property
    def has_keys(self) -> bool:
        """Without any, nothing can be verified, trust documents neither."""
        return self.document is not None or bool(self.settings.keys)

    @property
    def revoked(self) -> Revoked:
        return self.document.revoked if self.document else Revoked()

    @property
    def current(self) -> TrustDocument:
        """What the next document must follow: number 0 is the site file, any key of which is root. Raises TrustedKeyInvalid."""
        if self.document is not None:
            return self.document
        site = Role(trusted_keys(self.settings))
        return TrustDocument(0, site, site, site, site)

    def required(self, what: str) -> bool:
        """Whether a `bundle` or a `request` must be signed."""
        return required(self.settings, what, has_document=self.document is not None)

    def role(self, payload_type: str) -> Role | None:
        """Whose signatures count for what is signed as this type. Raises TrustedKeyInvalid."""
        return self.current.role(role_name(payload_type))
