"""What a command answers: a value. The edge turns it into words or one JSON document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kelvin_provision.errors import ProvisionError
from kelvin_provision.verdict import Line

SCHEMA = 1


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
    enough (but not with `-o wide`); without any, the last column is cut.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    wide: frozenset[str] = frozenset()
    empty: str = "Nothing to show."
    footer: str = ""
    gives: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """The outcome of one command.

    `document` is the whole JSON answer where its shape is fixed by the platform; else the envelope is made of `items`.
    `table` or `text` is what people see on stdout; without either, the items are shown as lines.
    `lines` are those of a check, shown with marks; `failure` is said after the answer, and its exit code is the command's.
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
    lines: tuple[Line, ...] | None = None
    failure: ProvisionError | None = None
    streamed: bool = False

    def to_json(self) -> Mapping[str, Any]:
        """The one document of `--json`."""
        if self.document is not None:
            return self.document
        items = [{"kind": i.kind, "name": i.name, "outcome": i.outcome, "detail": i.detail} for i in self.items]
        return {"schema": SCHEMA, "command": self.command, "status": "success", "items": items, "warnings": list(self.warnings)}
