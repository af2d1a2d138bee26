"""The forms in which a known secret may appear: as it is, line by line, escaped, percent-encoded, in base64, byte by byte. Pure."""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

from kelvin_provision.masking.prose import WORDS

_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_HTML_QUOTED = _HTML | str.maketrans({'"': "&quot;", "'": "&#x27;"})
"""As `html.escape` writes it, which would bring a table of all entities: half a mebibyte in every process that stays."""
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
    """In text, in JSON, in JSON within JSON, as Go, Python, a shell, YAML and HTML quote it, and in an address."""
    yield text
    yield from (_in_go(text), _in_go(_in_go(text)))
    yield from (repr(text)[1:-1], repr(f'"{text}')[2:-1], shlex.quote(text), text.replace("'", "''"))
    yield from (text.translate(_HTML_QUOTED), text.translate(_HTML), quote(quote(text, safe=""), safe=""))
    for ascii_only in (True, False):
        for once in (json.dumps(text, ensure_ascii=ascii_only)[1:-1], _in_json_of_go(text, ascii_only=ascii_only)):
            yield once
            yield json.dumps(once, ensure_ascii=ascii_only)[1:-1]
    for encode in (quote, quote_plus):
        for safe in ("", "/"):
            encoded = encode(text, safe=safe)
            yield encoded
            yield _lower(encoded)


_GO = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\\": "\\\\", '"': '\\"'}


def _in_go(text: str) -> str:
    """As `%q` writes it, without the quotes."""
    return "".join(_GO.get(character) or _unprintable(character) for character in text)


def _in_json_of_go(text: str, *, ascii_only: bool) -> str:
    """Go's encoder also escapes what HTML would take for its own."""
    quoted = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
    return re.sub("[<>&]", lambda match: f"\\u{ord(match[0]):04x}", quoted)


def _unprintable(character: str) -> str:
    code = ord(character)
    if character.isprintable():
        return character
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _lower(encoded: str) -> str:
    """`%2F` as `%2f`."""
    head, *rest = encoded.split("%")
    return "%".join((head, *(part[:2].lower() + part[2:] for part in rest)))


def _encoded(secret: bytes) -> Iterator[str]:
    """In hexadecimal, as lists of bytes, and in base64 at each of the three possible offsets within a longer text."""
    for written in (secret.hex(), secret.hex(":"), secret.hex(" ")):
        yield from (written, written.upper())
    yield ", ".join(f"{byte:#x}" for byte in secret)
    yield from (between.join(map(str, secret)) for between in (" ", ", ", ","))
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
