"""Whose signatures count for images."""

from __future__ import annotations

from kelvin_provision.trust.believed import Trust
from kelvin_provision.trust.documents.model import Role


def image_role(trust: Trust) -> Role:
    """By the newest trust document, else any key of the site file. Without keys, no signature counts. Raises TrustedKeyInvalid."""
    role, revoked = trust.current.images, trust.revoked.keys
    return Role(tuple(key for key in role.keys if key.key_id not in revoked), role.threshold) if role else Role(())
