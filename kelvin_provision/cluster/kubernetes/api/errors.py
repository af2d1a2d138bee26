"""Errors of the API server: a status code and a Status document become one of these exceptions. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from kelvin_provision.masking.dumps import without_dumps

SCHEMA_ERRORS = (
    "failed to create typed patch object",
    "unable to convert",
    "failed to convert",
    "cannot be handled as a",
    "field not declared in schema",
)
"""Old servers answer these with 500, although retrying an invalid object is useless."""

IMMUTABLE = re.compile(r"immutable|updates to |(?:may|can) ?not (?:be )?(?:change|update|unset)|cannot be (?:changed|updated)")
_FIELD = re.compile(r"(?:^|[ ,\[])([a-z]\w*(?:\.\w+|\[[^\]\s]*\])*): (?:Invalid value|Forbidden): ")
"""A field before what is wrong with it, in a message without structured causes."""
_ALLOWED = re.compile(r"\b(?:except|other than)\b")
LONGEST_BODY = 64 << 10
"""Bytes of an answer that is not JSON."""

ADMISSION = ("admission webhook", "AdmissionPolicy '")
"""In denials of webhooks and of policies, which may have any status from 400 to 499."""

WEBHOOK_ERRORS = ("failed calling webhook", "conversion webhook for")

WARNINGS = "type=Warning"
"""Field selector of the events that report problems."""

NO_TOKEN_YET = "No API token found for service account"  # noqa: S105  (the server's message)


class Rejected(Exception):
    """The server rejects the request. `code` is a code of `plan.Finding`, or `missing` or `namespace-missing`.

    `fields` are the invalid fields as the server writes them (`spec.containers[0].image`).
    """

    def __init__(self, code: str, message: str, fields: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.fields = tuple(fields)


class WebhookFailed(Rejected):
    """A webhook that the server calls for the object does not answer: its pods are starting, or there are none."""

    def __init__(self, message: str) -> None:
        super().__init__("denied", message)


class ServerBusy(Exception):
    """The server cannot answer now; the same request may succeed in a moment."""

    temporary = True


class AccessDenied(Exception):
    """The credentials are not accepted or lack a permission."""


class Unauthorized(AccessDenied):
    """The server does not know who we are (401): a token may have expired."""


class ResourceExpired(Exception):
    """The server no longer has the resourceVersion at which a watch starts (410): list again."""


def status_error(code: int, body: bytes | str | None) -> Exception:
    status = _status_document(body)
    message = str(status.get("message") or status.get("reason") or f"HTTP status {code}")
    if code == 401:
        return Unauthorized(message)
    if code == 410:
        return ResourceExpired(message)
    if code == 500 and any(text in message for text in SCHEMA_ERRORS):
        return Rejected("invalid-object", message)
    if code >= 500 and any(text in message for text in WEBHOOK_ERRORS):
        return WebhookFailed(message)
    if code in {400, 413, 415, 422}:
        return _invalid(code, message, status)
    of_code = {403: _forbidden, 404: _not_found, 409: _conflict}.get(code)
    return of_code(status, message) if of_code else ServerBusy(message)


def _status_document(body: bytes | str | None) -> Mapping[str, Any]:
    """Parse the body. If it is not a Status document, its text becomes the message."""
    text = body.decode(errors="replace") if isinstance(body, bytes) else (body or "")
    try:
        document = json.loads(text)
    except ValueError:
        return {"message": text.strip()[:LONGEST_BODY]}
    return document if isinstance(document, dict) else {"message": str(document)[:LONGEST_BODY]}


def _forbidden(_status: Mapping[str, Any], message: str) -> Exception:
    if "being terminated" in message:
        return Rejected("namespace-terminating", message)
    if NO_TOKEN_YET in message or "error looking up service account" in message:
        return ServerBusy(message)
    if "cannot " in message and " resource " in message and "User " in message:  # the wording of RBAC; admission has another
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
        return Rejected("field-conflict", f"other field managers own these fields: {', '.join(fields)}")
    if "being deleted" in message and "namespace" in message:
        return Rejected("namespace-terminating", message)
    if status.get("reason") == "AlreadyExists":
        return Rejected("exists", message)
    if "Precondition failed" in message:  # another object has taken the name
        return Rejected("missing", message)
    return ServerBusy(message)


def _invalid(code: int, message: str, status: Mapping[str, Any]) -> Exception:
    if any(text in message for text in ADMISSION):
        return Rejected("denied", message)
    if code == 422 and "port is already allocated" in message:
        return Rejected("port-taken", message)
    causes = (status.get("details") or {}).get("causes") or ()
    if code == 422 and IMMUTABLE.search(message):
        return Rejected("immutable-field", _immutable(message, causes))
    return Rejected("invalid-object", message, [str(cause.get("field") or "") for cause in causes])


def _immutable(message: str, causes: Sequence[Mapping[str, Any]]) -> str:
    """`spec.template cannot change`. The server quotes the whole object instead, with its secrets; what it says of other fields stays."""
    words: dict[str, None] = {}
    for cause in causes:
        field, text = str(cause.get("field") or "the object"), without_dumps(str(cause.get("message") or "")).partition("\n")[0]
        if not IMMUTABLE.search(text):
            words[f"{field}: {text}"] = None
            continue
        allowed = text.removeprefix("Forbidden: ") if _ALLOWED.search(text) else ""
        words[f"{field} cannot change{f' ({allowed})' if allowed else ''}"] = None
    if not words:
        words = dict.fromkeys(f"{field} cannot change" for field in _FIELD.findall(without_dumps(message)))
    return "; ".join(words) or without_dumps(message).partition("\n")[0]
