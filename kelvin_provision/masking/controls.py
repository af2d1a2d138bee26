"""Characters that would control a terminal or reorder a line: made visible. Pure."""

from __future__ import annotations

import re

_CONTROLS = r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u2060\ufeff\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
"""Those of C0 and C1 but tab and line feed, Unicode's overrides of direction, separators of lines, what has no width, and half
a pair of surrogates, which no text has that can be stored or sent.

What joins letters and marks their direction belongs to the text of many languages.
"""


def harmless(text: str) -> str:
    """The text with their hexadecimal numbers in place of such characters."""
    if text.isascii() and text.isprintable():
        return text  # most text: the pattern need not be compiled
    return re.sub(_CONTROLS, _visible, text)


def harmless_json(text: str) -> str:
    """The same JSON document: such characters only stand in its texts, and are escaped there. People read answers on a terminal, too."""
    if text.isascii() and text.isprintable():
        return text
    return re.sub(_CONTROLS, lambda match: f"\\u{ord(match[0]):04x}", text)


def _visible(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
