"""What the API server's refusals mean. Pure: a status code and a Status document to one of our words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

TYPED = (
    "failed to create typed patch object",
    "unable to convert",
    "failed to convert",
    "cannot be handled as a",
    "field not declared in schema",
)
WARNINGS = "type=Warning"
"""The field selector of the events that tell of trouble."""

TOKEN = "No API token found for service account"  # noqa: S105  (the server's words)


class Rejected(Exception):
    """The server does not take it. `finding` is a code of protocol.Finding, or one of `missing`, `namespace-missing`.

    `fields` are those that an invalid object is refused for, as the server writes them (`spec.containers[0].image`).
    """

    def __init__(self, code: str, message: str, fields: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.fields = tuple(fields)


class ServerBusy(Exception):
    """The server cannot now; the same request may work in a moment."""

    temporary = True


class AccessDenied(Exception):
    """The credentials are refused, or lack the permission."""


class Unauthorized(AccessDenied):
    """The server does not know who we are (401): a token may have expired."""


class ResourceExpired(Exception):
    """A watch began too far in the past: list again."""


def document(body: bytes | str | None) -> Mapping[str, Any]:
    """The Status document of an answer; what is none becomes a message."""
    text = body.decode(errors="replace") if isinstance(body, bytes) else (body or "")
    try:
        found = json.loads(text)
    except ValueError:
        return {"message": text.strip()[:500]}
    return found if isinstance(found, dict) else {"message": str(found)[:500]}


def status_error(code: int, body: bytes | str | None) -> Exception:
    """The refusal as one of our own."""
    status = document(body)
    message = str(status.get("message") or status.get("reason") or f"HTTP status {code}")
    if code == 401:
        return Unauthorized(message)
    if code == 410:
        return ResourceExpired(message)
    if code == 500 and any(words in message for words in TYPED):
        return Rejected("invalid-object", message)
    if code in {400, 413, 415, 422}:
        return _invalid(code, message, status)
    judge = {403: _forbidden, 404: _not_found, 409: _conflict}.get(code)
    return judge(status, message) if judge else ServerBusy(message)


def _forbidden(_status: Mapping[str, Any], message: str) -> Exception:
    if "being terminated" in message:
        return Rejected("namespace-terminating", message)
    if TOKEN in message or "error looking up service account" in message:
        return ServerBusy(message)
    if "cannot " in message and " resource " in message and "User " in message:
        return AccessDenied(message)
    return Rejected("denied", message)


def _not_found(status: Mapping[str, Any], message: str) -> Exception:
    kind = (status.get("details") or {}).get("kind")
    if kind == "namespaces":
        return Rejected("namespace-missing", message)
    return Rejected("missing" if kind else "unknown-kind", message)


def _conflict(status: Mapping[str, Any], message: str) -> Exception:
    causes = (status.get("details") or {}).get("causes") or ()
    fields = [f"{cause.get('field')} ({cause.get('message')})" for cause in causes if cause.get("reason") == "FieldManagerConflict"]
    if fields:
        return Rejected("field-conflict", f"others manage these fields: {', '.join(fields)}")
    if "being deleted" in message and "namespace" in message:
        return Rejected("namespace-terminating", message)
    if "Precondition failed" in message:  # another object has that name by now
        return Rejected("missing", message)
    return ServerBusy(message)


def _invalid(code: int, message: str, status: Mapping[str, Any]) -> Exception:
    if "admission webhook" in message:
        return Rejected("denied", message)
    if code == 422 and "port is already allocated" in message:
        return Rejected("port-taken", message)
    if code == 422 and ("immutable" in message or "Forbidden: updates to" in message or "Forbidden: may not change once set" in message):
        return Rejected("immutable-field", message)
    causes = (status.get("details") or {}).get("causes") or ()
    return Rejected("invalid-object", message, [str(cause.get("field") or "") for cause in causes])
