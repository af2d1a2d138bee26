"""The texts of a page in the language of its browser. English is the key: `_("Activate {version}", version=...)`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from starlette.requests import Request

from kelvin_provision.api.ui.strings.languages import ENGLISH, preferred
from kelvin_provision.masking.controls import harmless

FOLDER = Path(__file__).parent


class Texts:
    """Called `_` where it is used, with literal texts only: a test finds them. A text without a translation stays in English."""

    def __init__(self, language: str, table: Mapping[str, str]) -> None:
        self.language = language
        self._table = table

    def __call__(self, text: str, /, **values: Any) -> str:
        """With a part that is HTML, such as a macro's, the whole is, and everything else in it is escaped."""
        text = self._table.get(text, text)
        if not values:
            return text
        if any(hasattr(value, "__html__") for value in values.values()):
            from markupsafe import escape  # is there as soon as there is HTML

            safe = {name: harmless(value) if type(value) is str else value for name, value in values.items()}
            return escape(text).format(**safe)
        return text.format(**values)


def deferred(text: str) -> str:
    """Marks a text that is translated later, into the language of a request."""
    return text


@lru_cache(8)
def texts_in(language: str) -> Texts:
    return Texts(language, {} if language == ENGLISH else json.loads((FOLDER / f"{language}.json").read_text("utf-8")))


def texts_of(request: Request) -> Texts:
    return texts_in(preferred(",".join(request.headers.getlist("accept-language"))))
