"""Reading a row that a failing disk may have changed: each value is what its column holds, or the row is StateDamaged.

SQLite has no checksums. A flipped bit may make a value another type, JSON another document and text something that is no text.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from enum import StrEnum
from typing import Any, NoReturn, TypeVar

from kelvin_provision import timestamps
from kelvin_provision.errors import ProvisionError, StateDamaged
from kelvin_provision.hints import Hint

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)
_MISREAD = (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError, OverflowError, ProvisionError)
"""What reading a changed document may end with; a ProvisionError is that of a reference or a digest."""
REPAIR = Hint.of(StateDamaged.hint_default)


class Row:
    """A row of `table`, which is named by its `key` in errors. No value of it gets into a message: it could be a secret."""

    __slots__ = ("_hint", "_key", "_row", "_table")

    def __init__(self, row: sqlite3.Row, table: str, *key: str, hint: Callable[[], Hint] = lambda: REPAIR) -> None:
        self._row, self._table, self._key, self._hint = row, table, key, hint

    def damaged(self, column: str, cause: Exception | None = None) -> NoReturn:
        key = [self._row[name] if name in self._row.keys() else "?" for name in self._key]  # noqa: SIM118  (a row contains its values)
        raise damaged(self._table, key, column, hint=self._hint()) from cause

    def _value(self, column: str) -> Any:
        try:
            return self._row[column]
        except IndexError as error:  # the schema is damaged: the column has another name
            self.damaged(column, error)

    def text(self, column: str) -> str:
        value = self._value(column)
        if type(value) is not str or not (value.isascii() or _is_unicode(value)):
            self.damaged(column)
        return value

    def text_or_none(self, column: str) -> str | None:
        return None if self._value(column) is None else self.text(column)

    def number(self, column: str) -> int:
        value = self._value(column)
        if type(value) is not int:
            self.damaged(column)
        return value

    def number_or_none(self, column: str) -> int | None:
        return None if self._value(column) is None else self.number(column)

    def flag(self, column: str) -> bool:
        value = self._value(column)
        if value not in (0, 1):
            self.damaged(column)
        return bool(value)

    def time(self, column: str) -> str:
        value = self.text(column)
        if not is_time(value):
            self.damaged(column)
        return value

    def time_or_none(self, column: str) -> str | None:
        return None if self._value(column) is None else self.time(column)

    def word(self, column: str, kind: type[E]) -> E:
        try:
            return kind(self.text(column))
        except ValueError as error:
            self.damaged(column, error)

    def json(self, column: str, read: Callable[[Any], T]) -> T:
        """What `read` makes of the document."""
        text = self.text(column)
        try:
            return read(_document(text))
        except _MISREAD as error:
            self.damaged(column, error)

    def json_or_none(self, column: str, read: Callable[[Any], T]) -> T | None:
        return None if self._value(column) is None else self.json(column, read)


def damaged(table: str, key: list[object], column: str, *, hint: Hint = REPAIR) -> StateDamaged:
    row = "/".join(printable(part) for part in key)
    return StateDamaged(f"the ledger is damaged: table {table}, row {row}, column {column}", hint=hint)


def printable(value: object) -> str:
    """A key as it can be shown: what is no text has escapes."""
    text = value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)
    return text.encode(errors="backslashreplace").decode()


def is_time(text: str) -> bool:
    """Whether it is a time with a zone, as all that are kept."""
    try:
        return timestamps.parse(text).tzinfo is not None
    except ValueError:
        return False


def strings(value: Any) -> tuple[str, ...]:
    """A list of texts."""
    if type(value) is not list or not all(type(item) is str for item in value):
        raise TypeError(value)
    return tuple(value)


def objects(value: Any) -> tuple[dict[str, Any], ...]:
    """A list of objects of a cluster."""
    if type(value) is not list:
        raise TypeError(value)
    for item in value:
        if type(item["kind"]) is not str or type(item.get("metadata", {})) is not dict:
            raise TypeError(item)
    return tuple(value)


def _is_unicode(text: str) -> bool:
    """The connection keeps bytes that are not UTF-8 as surrogates, which cannot be printed."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _document(text: str) -> Any:
    """Raises ValueError; also for half a surrogate pair, which is JSON and no text."""
    document = _DECODER.decode(text)
    if "\\ud" in text or "\\uD" in text:
        json.dumps(document, ensure_ascii=False).encode()
    return document


def _refuse(word: str) -> NoReturn:
    raise ValueError(word)


_DECODER = json.JSONDecoder(parse_constant=_refuse)
"""Made once: a list has hundreds of documents, most of them small."""
