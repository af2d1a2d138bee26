"""The forms in which a known secret may appear: as it is, line by line, escaped, percent-encoded, in base64. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

from kelvin_provision.masking.prose import WORDS

SHORTEST = 4
"""Shorter values, numbers of fewer than six digits and words of our own messages are masked under their names only."""
_SHORTEST_NUMBER = 6
_SHORTEST_LINE = 8
_SHORTEST_CORE = 6


def forms(secrets: Iterable[bytes]) -> list[str]:
    """All forms, the longest first, so that no part of a longer one remains."""
    all_forms = {form for secret in secrets for form in _of(secret.strip())}
    return sorted(all_forms, key=lambda form: (-len(form), form))


def _of(secret: bytes) -> Iterator[str]:
    if len(secret) < (_SHORTEST_NUMBER if secret.isdigit() else SHORTEST) or secret.decode("utf-8", "replace").lower() in WORDS:
        return
    yield from _encoded(secret)
    try:
        text = secret.decode("utf-8")
    except UnicodeDecodeError:
        return
    lines = [line.strip() for line in text.splitlines()]
    for part in (text, *(line for line in lines if len(lines) > 1 and len(line) >= _SHORTEST_LINE and not line.startswith("-----"))):
        yield from _written(part)


def _written(text: str) -> Iterator[str]:
    """In text, in JSON, in JSON within JSON, and in an address."""
    yield text
    for ascii_only in (True, False):
        once = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield once
        yield json.dumps(once, ensure_ascii=ascii_only)[1:-1]
    for encode in (quote, quote_plus):
        for safe in ("", "/"):
            encoded = encode(text, safe=safe)
            yield encoded
            yield _lower(encoded)


def _lower(encoded: str) -> str:
    """`%2F` as `%2f`."""
    head, *rest = encoded.split("%")
    return "%".join((head, *(part[:2].lower() + part[2:] for part in rest)))


def _encoded(secret: bytes) -> Iterator[str]:
    """In base64, at each of the three possible offsets within a longer text."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for ahead in range(3):
            bits = 8 * len(secret)
            text = encode(bytes(ahead) + secret).decode().rstrip("=")
            begin = -(-8 * ahead // 6)  # the first character that has bits of the secret only
            core = text[begin : (8 * ahead + bits) // 6]
            if len(core) >= _SHORTEST_CORE:
                yield core
        whole = encode(secret).decode()
        yield whole
        yield whole.rstrip("=")
