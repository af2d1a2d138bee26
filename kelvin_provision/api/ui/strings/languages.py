"""Which of our languages a browser prefers: Accept-Language by RFC 9110, section 12.5.4. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

ENGLISH, GERMAN = "en", "de"
LANGUAGES = (ENGLISH, GERMAN)
LONGEST, MOST = 1000, 50
"""Characters of the header and languages in it; browsers send a dozen."""
_RANGE = re.compile(r"[ \t]*(\*|[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)(?:[ \t]*;[ \t]*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?[ \t]*")


def preferred(header: str) -> str:
    """The first of those that it likes most; English if it names none of ours, or is no valid header."""
    qualities = _qualities(header)
    best = max(qualities.values(), default=0.0)
    return next((language for language, quality in qualities.items() if quality == best > 0), ENGLISH)


def _qualities(header: str) -> Mapping[str, float]:
    """Of our languages that it names, in its order. A language counts as its best variant, and `*` is all that are not named."""
    known: dict[str, float] = {}
    others = 0.0
    parts = header.split(",", MOST) if len(header) <= LONGEST else []
    for part in parts if len(parts) <= MOST else []:
        if not part.strip(" \t"):
            continue  # a list may have empty elements
        match = _RANGE.fullmatch(part)
        if match is None:
            return {}
        quality = float(match[2] or 1)
        language = match[1].lower().partition("-")[0]
        if language == "*":
            others = quality
        elif language in LANGUAGES:
            known[language] = max(quality, known.get(language, 0.0))
    return known | {language: others for language in LANGUAGES if language not in known}
