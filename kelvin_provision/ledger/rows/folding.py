"""Thousands of workloads in memory: their large fields are folded, and what is equal in several of them is there once."""

from __future__ import annotations

import sqlite3
from typing import TypeVar

from kelvin_provision.ledger.model.workloads import Revision
from kelvin_provision.observation import Observation
from kelvin_provision.spec.folded import fold

T = TypeVar("T")


class Folding:
    """For one reading of many rows."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._folded: dict[bytes, bytes] = {}
        self._observations: dict[Observation, Observation] = {}

    def revision(self, made: Revision, row: sqlite3.Row) -> Revision:
        """The same revision, which was just made from this row and can be read."""
        made.spec.fold(self._kept(row["spec"]))
        self.texts(made.spec)
        made.fold(locks=self._kept_or_none(row["locks"]), objects=self._kept_or_none(row["objects"]))
        return self.texts(made)

    def observation(self, seen: Observation | None) -> Observation | None:
        """One that is equal."""
        return None if seen is None else self._observations.setdefault(seen, seen)

    def texts(self, value: T) -> T:
        """The same value. Of texts that other values have as well, theirs."""
        values = vars(value)
        for name, text in values.items():
            if type(text) is str:
                values[name] = self._texts.setdefault(text, text)
        return value

    def _kept_or_none(self, text: str | None) -> bytes | None:
        return None if text is None else self._kept(text)

    def _kept(self, text: str) -> bytes:
        kept = fold(text)
        return self._folded.setdefault(kept, kept)
