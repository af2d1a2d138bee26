"""What a command answers: a value. The edge turns it into words or one JSON document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from kelvin_provision.cli.frame import hints
from kelvin_provision.errors import ProvisionError

if TYPE_CHECKING:
    from kelvin_provision.check_result import CheckResult

SCHEMA = 1
CHANGES = 3
"""The exit code of an answer that tells of changes to come, where `--exit-code` asks for it. No failure."""


@dataclass(frozen=True)
class Item:
    """One thing that a command did or looked at. `outcome` is a past participle or a state."""

    kind: str
    name: str
    outcome: str
    detail: str = ""


@dataclass(frozen=True)
class Table:
    """Rows for people; `wide` are the columns that only `-o wide` shows. A cell that names a state is coloured by it.

    `gives` are the columns that are cut where a terminal is too narrow, the first one first, and that go where even that is not
    enough (but not with `-o wide`); without any, the last column is cut. `below` has lines that stand whole under a row, by its number.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    wide: frozenset[str] = frozenset()
    empty: str = "Nothing to show."
    footer: str = ""
    gives: tuple[str, ...] = ()
    below: Mapping[int, Sequence[str]] = field(default_factory=dict)


class Tone(StrEnum):
    """What a line says, so that a terminal can colour it."""

    PLAIN = "plain"
    TITLE = "title"
    PLACE = "place"
    NEW = "new"
    GONE = "gone"
    CHANGED = "changed"
    BAD = "bad"


@dataclass(frozen=True)
class Line:
    """One line of an answer for people."""

    text: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True)
class Report:
    """The outcome of one command.

    `document` is the whole JSON answer where its shape is fixed by the platform; else the envelope is made of `items`.
    `table` or `text` is what people see on stdout; without either, the items are shown as lines.
    `lines` is a text whose lines have tones; `verdicts` are those of a check, shown with marks. `more` are further keys of the envelope.
    `refusal`: the answer is whole, and yet what it tells of cannot be done; it is said after the answer, and its exit code counts.
    `streamed`: the answer was written while it came, and nothing is added to it at the end.
    """

    command: str
    items: tuple[Item, ...] = ()
    document: Mapping[str, Any] | None = None
    table: Table | None = None
    text: str | None = None
    warnings: tuple[str, ...] = ()
    exit_code: int = 0
    names: tuple[str, ...] = field(default=())
    streamed: bool = False
    lines: tuple[Line, ...] | None = None
    verdicts: tuple[CheckResult, ...] | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
    refusal: ProvisionError | None = None

    def to_json(self) -> Mapping[str, Any]:
        """The one document of `--json`."""
        document = dict(self.document) if self.document is not None else self._envelope()
        if self.refusal is not None:
            document |= {"status": "error", "error": hints.described(self.refusal)}
        return document

    def _envelope(self) -> dict[str, Any]:
        items = [{"kind": i.kind, "name": i.name, "outcome": i.outcome, "detail": i.detail} for i in self.items]
        status = "success" if self.exit_code in {0, CHANGES} else "failed"
        document = {"schema": SCHEMA, "command": self.command, "status": status, "items": items, "warnings": list(self.warnings)}
        return {**document, **self.more}
