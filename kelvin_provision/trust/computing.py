"""Asks the process that checks and makes signatures. Any failure there is an error here, never a valid signature."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

from kelvin_provision.errors import OurBug, SignatureInvalid
from kelvin_provision.files.one_shot import TIMEOUT, computed
from kelvin_provision.trust.dsse import pae
from kelvin_provision.trust.public_keys import PublicKey

LARGEST_PAYLOAD = 16 << 20
"""Bytes; the largest table of contents."""


def fitting(payload_type: str, payload: bytes, pairs: Sequence[tuple[PublicKey, bytes]]) -> tuple[bool, ...]:
    """For each key and signature, whether that key made it over these bytes. Raises SignatureInvalid, Locked, ApiMissing, OurBug."""
    refuse_larger(payload)
    signed = pae(payload_type, payload)
    return fitting_each([(key, signature, signed) for key, signature in pairs])


def fitting_each(checks: Sequence[tuple[PublicKey, bytes, bytes]]) -> tuple[bool, ...]:
    """For each key, signature and message, whether that key made it over exactly this message. Raises Locked, ApiMissing, OurBug."""
    offsets: dict[bytes, int] = {}
    end = 0
    for _, _, message in checks:
        if message not in offsets:
            offsets[message] = end
            end += len(message)
    rows = [
        {"key": text_of(key.der), "signature": text_of(signature), "from": offsets[message], "to": offsets[message] + len(message)}
        for key, signature, message in checks
    ]
    fits = ask("verify", {"pairs": rows}, b"".join(offsets), purpose="check a signature").get("fits")
    if not isinstance(fits, list) or len(fits) != len(rows):
        raise OurBug("the process that was to check a signature gave another answer")
    return tuple(fit is True for fit in fits)


def ask(task: str, order: dict[str, Any], message: bytes = b"", *, purpose: str, timeout: float = TIMEOUT) -> dict[str, Any]:
    """The answer to one task. Raises Locked, ApiMissing, OurBug."""
    head = json.dumps({"task": task, "size": len(message), "passphrase": "", **order}).encode() + b"\n"
    data = computed("kelvin_provision.trust.child", head + message, purpose=purpose, needs="signatures", timeout=timeout)
    try:
        answer = json.loads(data)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise OurBug(f"the process that was to {purpose} gave no answer")
    return answer


def refuse_larger(payload: bytes) -> None:
    """Raises SignatureInvalid."""
    if len(payload) > LARGEST_PAYLOAD:
        raise SignatureInvalid(f"{len(payload)} bytes; at most {LARGEST_PAYLOAD} can be signed", hint="make it smaller, and sign it again")


def text_of(data: bytes) -> str:
    return base64.b64encode(data).decode()
