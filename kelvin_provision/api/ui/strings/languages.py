"""Which of our languages a browser prefers: Accept-Language by RFC 9110, section 12.5.4. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from kelvin_provision.api.ui.weights import weights

ENGLISH, GERMAN = "en", "de"
LANGUAGES = (ENGLISH, GERMAN)


def preferred(header: str) -> str:
    """The first of those that it likes most; English if it names none of ours, or is no valid header."""
    qualities = _qualities(weights(header))
    best = max(qualities.values(), default=0.0)
    return next((language for language, quality in qualities.items() if quality == best > 0), ENGLISH)


def _qualities(ranges: Mapping[str, float]) -> Mapping[str, float]:
    """Of our languages, in the order of the header. A language counts as its best variant, and `*` is all that are not named."""
    known: dict[str, float] = {}
    for name, quality in ranges.items():
        language = name.partition("-")[0]
        if language in LANGUAGES:
            known[language] = max(quality, known.get(language, 0.0))
    return known | {language: ranges.get("*", 0.0) for language in LANGUAGES if language not in known}
