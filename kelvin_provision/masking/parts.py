"""Parts of known secrets in a text: the sender has cut the text, or broken a line in the middle of a secret. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

from kelvin_provision.masking.text import MASK, looks_random

SHORTEST = 8
"""Characters of a part. A shorter one is a word like any other."""
_NUMBERS = re.compile(r"(?:0x)?[0-9a-f]+(?:, ?| )")
"""Bytes in a list: their first ones are numbers like any others."""


class Parts:
    """`forms` are the forms in which known secrets are written."""

    def __init__(self, forms: Iterable[str]) -> None:
        self._heads: dict[str, list[str]] = defaultdict(list)
        self._tails: dict[str, list[str]] = defaultdict(list)
        self._forms = tuple(forms)
        self.longest = 0
        for form in self._forms:
            self.longest = max(self.longest, len(form))
            if len(form) > SHORTEST and not _NUMBERS.match(form):
                self._heads[form[:SHORTEST]].append(form)
                self._tails[form[-SHORTEST:]].append(form)

    def masked(self, text: str) -> str:
        """The text without beginnings and ends of secrets."""
        if not self._heads:
            return text
        for at in range(len(text) - SHORTEST, -1, -1):  # from the end: what is replaced changes no position before it
            piece = text[at : at + SHORTEST]
            if piece in self._heads or piece in self._tails:
                begin, end = self._part_at(text, at, piece)
                text = f"{text[:begin]}{MASK}{text[end:]}" if begin < end else text
        return text

    def _part_at(self, text: str, at: int, piece: str) -> tuple[int, int]:
        """The position of a part that begins or ends with this piece; an empty one where there is none."""
        for form in self._heads.get(piece, ()):
            length = _common(form, text[at : at + len(form)])
            if _is_part(form, length, text[at : at + length]):
                return at, at + length
        end = at + SHORTEST
        for form in self._tails.get(piece, ()):
            length = _common(form[::-1], text[max(end - len(form), 0) : end][::-1])
            if _is_part(form, len(form) - length, text[end - length : end]):
                return end - length, end
        return at, at

    def continued(self, before: str, text: str) -> int:
        """The number of characters at the beginning of the text that end a secret which the text before began."""
        begin, together = len(before), before + text[: self.longest]
        ends = (self._end_across(form, together, begin) for form in self._forms)
        return max(ends, default=0)

    @staticmethod
    def _end_across(form: str, together: str, begin: int) -> int:
        position = together.find(form, max(begin - len(form) + 1, 0))
        return position + len(form) - begin if 0 <= position < begin else 0


def _common(left: str, right: str) -> int:
    """The length of the beginning that both have."""
    return next((at for at, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))


def _is_part(form: str, cut: int, part: str) -> bool:
    """Whether the secret is cut within a word, or the part is no plain word: `motor-speed` does not count for `motor-speed-password`."""
    if not 0 < cut < len(form):
        return False
    return (form[cut - 1].isalnum() and form[cut].isalnum()) or looks_random(part)
