"""What a box believes, and which trust documents it has accepted: two questions, which change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kelvin_provision.context import Context
from kelvin_provision.ledger.reading.trust import AcceptedTrust
from kelvin_provision.trust.documents.model import ROLES, Role, TrustDocument


def believed(ctx: Context) -> TrustDocument | None:
    """The newest document; number 0 is made of the site file; None without trusted keys. Raises StateDamaged, TrustedKeyInvalid."""
    trust = ctx.trust
    return trust.current if trust.has_keys else None


def accepted(ctx: Context) -> tuple[AcceptedTrust, ...]:
    """The newest first. Raises StateDamaged."""
    return ctx.ledger.accepted_trust() if ctx.connections.has_ledger else ()


def document_to_json(document: TrustDocument | None) -> dict[str, Any]:
    """Keys by id; what is in them is in the document itself."""
    if document is None:
        return {"number": None}
    revoked = document.revoked
    lists = {"keys": list(revoked.keys), "bundles": list(revoked.bundles), "images": list(revoked.images)}
    return {"number": document.number, **{name: _role_to_json(document.role(name)) for name in ROLES}, "revoked": lists}


def _role_to_json(role: Role | None) -> dict[str, Any] | None:
    if role is None:
        return None
    return {"threshold": role.threshold, "keys": [{"name": key.name, "type": key.type, "key_id": key.key_id} for key in role.keys]}


def history_to_json(documents: Sequence[AcceptedTrust]) -> list[dict[str, Any]]:
    return [
        {
            "number": document.number,
            "digest": document.digest,
            "signers": list(document.signers),
            "accepted": document.accepted,
            "actor": document.actor,
            "origin": document.origin,
        }
        for document in documents
    ]
