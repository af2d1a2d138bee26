"""What must be signed on this box. Pure."""

from __future__ import annotations

from kelvin_provision.settings.model import TrustSettings

KINDS = ("bundle", "request", "image")


def required(settings: TrustSettings, what: str, *, has_document: bool = False) -> bool:
    """Whether a `bundle`, a `request` or an `image` must be signed: bundles as soon as there are keys, if the setting says nothing.

    `has_document`: keys have come by a trust document.
    """
    if settings.require_signature is None:
        return what == "bundle" and (has_document or bool(settings.keys))
    return what in settings.require_signature
