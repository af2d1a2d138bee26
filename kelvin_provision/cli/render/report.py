"""The result of a command as a value. The edge turns it into text or one JSON document."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from kelvin_provision.cli.frame import hints
from kelvin_provision.errors import ProvisionError
from kelvin_provision.fast_dataclass import dataclass

if TYPE_CHECKING:
    from kelvin_provision.check_result import CheckResult

SCHEMA = 1
CHANGES = 3
"""The exit code of a dry run with changes, with `--exit-code`. No failure."""


@dataclass(frozen=True)
class Item:
    """One thing that a command changed or inspected. `outcome` is a past participle or a state."""

    kind: str
    name: str
    outcome: str
    detail: str = ""


@dataclass(frozen=True)
class Table:
    """Rows for people; `wide` are the columns that only `-o wide` shows. A cell with a state has its colour.

    `gives` are the columns that are shortened on a narrow terminal, in this order, and then left out (but not with `-o wide`). Those in
    `folds` are never shortened: they are printed in full below their row instead. `wraps`: the last column is prose, which may take
    several lines. A table that still does not fit has a block of lines for each row, below its `heading`, else its first column. `below`
    has lines that are printed in full below a row, by its number.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    wide: frozenset[str] = frozenset()
    empty: str = "Nothing to show."
    footer: str = ""
    gives: tuple[str, ...] = ()
    folds: frozenset[str] = frozenset()
    wraps: bool = False
    heading: str = ""
    below: Mapping[int, Sequence[str]] = field(default_factory=dict)


class Tone(StrEnum):
    """The tone of a line, which a terminal shows as a colour."""

    PLAIN = "plain"
    TITLE = "title"
    PLACE = "place"
    NEW = "new"
    GONE = "gone"
    CHANGED = "changed"
    BAD = "bad"


@dataclass(frozen=True)
class Line:
    """One line of text for people."""

    text: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True)
class Report:
    """The result of one command.

    `document` is the whole JSON document if the platform fixes its shape, or makes it where it is large; else the envelope is made of
    `items`.
    `table` or `text` is printed on stdout for people; without either, a line per item.
    `lines` is a text whose lines have tones; `checks` are results of checks, shown with marks. `more` are further keys of the envelope.
    `refusal`: the result is complete, and the change that it describes is refused; it is printed after the result and decides the exit
    code. `streamed`: the result has been printed already. `next_step` tells people what to type after this.
    """

    command: str
    items: tuple[Item, ...] = ()
    document: Mapping[str, Any] | Callable[[], Mapping[str, Any]] | None = None
    table: Table | None = None
    text: str | None = None
    warnings: tuple[str, ...] = ()
    exit_code: int = 0
    names: tuple[str, ...] = field(default=())
    streamed: bool = False
    lines: tuple[Line, ...] | None = None
    checks: tuple[CheckResult, ...] | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
    refusal: ProvisionError | None = None
    next_step: str = ""

    def to_json(self) -> Mapping[str, Any]:
        """The document of `--json`."""
        whole = self.document() if callable(self.document) else self.document
        document = dict(whole) if whole is not None else self._envelope()
        if self.refusal is not None:
            document |= {"status": "error", "error": hints.described(self.refusal)}
        return document

    def _envelope(self) -> dict[str, Any]:
        items = [{"kind": i.kind, "name": i.name, "outcome": i.outcome, "detail": i.detail} for i in self.items]
        status = "success" if self.exit_code in {0, CHANGES} else "failed"
        document = {"schema": SCHEMA, "command": self.command, "status": status, "items": items, "warnings": list(self.warnings)}
        return {**document, **self.more}
