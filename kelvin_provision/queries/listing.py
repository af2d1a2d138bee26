"""The platform's filters, order and pages (KELVIN 3.3, 3.4) over items of its list. Pure: knows neither ledger nor terminal.

A cursor is opaque to clients: base64 of JSON with the filters, the order and the page size inside, because the platform's own clients
send back nothing else. It points at an item's sort key, not at a number: workloads that come and go between two pages neither hide
others nor show them twice.
"""

from __future__ import annotations

import binascii
import json
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from kelvin_provision.errors import CursorInvalid
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.spec.enums import State

if TYPE_CHECKING:
    from kelvin_provision.queries.items import WorkloadItem

Key = list[tuple[int, str | int]]
SEARCHED = ("name", "title", "app_name", "cluster_name", "node_name")
LARGEST_PAGE = 10_000
_FORM = 1
_LONGEST_NUMBER = 63
"""Bits, as in the ledger."""


class SortKey(StrEnum):
    """The keys that a list can be sorted by."""

    NAME = "name"
    TITLE = "title"
    CLUSTER_NAME = "cluster_name"
    NODE_NAME = "node_name"
    ENABLED = "enabled"
    CREATED = "created"
    UPDATED = "updated"


class Direction(StrEnum):
    """The direction of all sort keys."""

    ASC = "asc"
    DESC = "desc"


class Nulls(StrEnum):
    """Where workloads are that have no value for a sort key."""

    FIRST = "first"
    LAST = "last"


@dataclass(frozen=True)
class Query:
    """Filters and order. Values of one filter are alternatives; all filters must match.

    Without `nulls`, a missing value sorts as the greatest, as in the ledger's indexes.
    """

    search: tuple[str, ...] = ()
    name: tuple[str, ...] = ()
    app_name: tuple[str, ...] = ()
    app_version: tuple[str, ...] = ()
    cluster_name: tuple[str, ...] = ()
    node_name: tuple[str, ...] = ()
    state: tuple[State, ...] = ()
    staged: bool = False
    enabled: bool | None = None
    sort_by: tuple[SortKey, ...] = ()
    direction: Direction = Direction.ASC
    nulls: Nulls | None = None

    @property
    def has_order_of_its_own(self) -> bool:
        """Whether the order is none of the ledger's indexes."""
        return self._rank_of_nothing != _GREATEST and SortKey.NODE_NAME in self.sort_by

    @property
    def _rank_of_nothing(self) -> int:
        if self.nulls is None:
            return _GREATEST
        return -1 if (self.nulls is Nulls.FIRST) is (self.direction is Direction.ASC) else _GREATEST

    def matches(self, item: WorkloadItem) -> bool:
        """Whether an item passes every filter."""
        text = "\n".join(getattr(item, key) or "" for key in SEARCHED).lower()
        return (
            (not self.search or any(part.lower() in text for part in self.search))
            and (not self.name or item.name in self.name)
            and (not self.app_name or item.app_name in self.app_name)
            and (not self.app_version or item.app_version in self.app_version)
            and (not self.cluster_name or item.cluster_name in self.cluster_name)
            and (not self.node_name or item.node_name in self.node_name)
            and (not self.state or item.status.state in self.state)
            and (not self.staged or item.staged is not None)
            and (self.enabled is None or item.enabled is self.enabled)
        )

    def key(self, item: WorkloadItem) -> Key:
        """The sort key of an item. The name comes last, so that no two keys are equal."""
        nothing = self._rank_of_nothing
        keys = (*self.sort_by, SortKey.NAME)
        return [(0, getattr(item, key)) if key in _TIMES else _key_part(getattr(item, key), nothing) for key in keys]


_LOWER = {letter: letter + 32 for letter in range(ord("A"), ord("Z") + 1)}
"""Without regard to the case of ASCII letters, as the ledger's indexes."""
_GREATEST = 1
_TIMES = frozenset({SortKey.CREATED, SortKey.UPDATED})


def _key_part(value: str | bool | None, rank_of_nothing: int) -> tuple[int, str | int]:  # noqa: FBT001  (a value of the item)
    if value is None:
        return (rank_of_nothing, "")
    return (0, int(value)) if isinstance(value, bool) else (0, value.translate(_LOWER))


@dataclass(frozen=True)
class Cursor:
    """A place in a list: `size` items after `at`, or with `back` those before it; None is the very end."""

    query: Query
    size: int
    at: Key | None
    back: bool = False

    def encode(self) -> str:
        """Safe in a URL and on a command line."""
        defaults = asdict(Query())
        filters = {key: value for key, value in asdict(self.query).items() if value != defaults[key]}
        document = {"v": _FORM, "q": filters, "size": self.size, "back": self.back, "at": self.at}
        text = json.dumps(document, separators=(",", ":"))
        return binascii.b2a_base64(text.encode(), newline=False).translate(_URL).rstrip(b"=").decode()

    @classmethod
    def decode(cls, text: str) -> Self:
        """Raises CursorInvalid for text that `encode` did not make."""
        try:
            data = text.encode("ascii").rstrip(b"=").translate(_PLAIN)
            return cls._from(json.loads(binascii.a2b_base64(data + b"=" * (-len(data) % 4), strict_mode=True)))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise CursorInvalid(f"{text[:60]!r} is not a cursor of this list") from error

    @classmethod
    def _from(cls, document: dict[str, Any]) -> Self:
        size, back, at = _checked(int, document["size"]), _checked(bool, document["back"]), document["at"]
        if document["v"] != _FORM or not 1 <= size <= LARGEST_PAGE or (at is None and not back):
            raise ValueError(document)
        query = _query(document["q"])
        return cls(query, size, None if at is None else _key(at, query), back=back)


_URL = bytes.maketrans(b"+/", b"-_")
_PLAIN = bytes.maketrans(b"-_", b"+/")


def _query(filters: dict[str, Any]) -> Query:
    if set(filters) - {field.name for field in fields(Query)}:
        raise ValueError(filters)
    values: dict[str, Any] = {}
    for name, value in filters.items():
        if name in {"staged", "enabled"}:
            values[name] = _checked(bool, value)
        elif name == "direction":
            values[name] = Direction(value)
        elif name == "nulls":
            values[name] = Nulls(value)
        else:
            kind = {"state": State, "sort_by": SortKey}.get(name, str)
            values[name] = tuple(kind(_checked(str, part)) for part in _checked(list, value))
    return Query(**values)


def _key(value: Any, query: Query) -> Key:
    """A key with one part per sort key, each of the right type: others could not be compared."""
    names = (*query.sort_by, SortKey.NAME)
    parts = [(_checked(int, rank), part) for rank, part in _checked(list, value)]
    if len(parts) != len(names):
        raise ValueError(value)
    for name, (rank, part) in zip(names, parts, strict=True):
        _checked(int if name is SortKey.ENABLED and rank == 0 else str, part)
        if isinstance(part, int) and part.bit_length() > _LONGEST_NUMBER:
            raise ValueError(value)
    return parts


def _checked(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise TypeError(value)
    if isinstance(value, str):
        value.encode()  # half a character is nothing that the ledger could compare: a ValueError
    return value


def select(items: Sequence[WorkloadItem], query: Query) -> list[WorkloadItem]:
    """The matching items, in order."""
    return sorted(filter(query.matches, items), key=query.key, reverse=query.direction is Direction.DESC)


@dataclass(frozen=True)
class Page:
    """A page of the list with the cursors of its neighbours, or None at the ends."""

    items: tuple[WorkloadItem, ...]
    next_page: str | None = None
    previous_page: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The platform's list in its cursor form."""
        pagination = {"next_page": self.next_page, "previous_page": self.previous_page}
        return {"data": [item.to_json() for item in self.items], "pagination": pagination}


def page(items: Sequence[WorkloadItem], query: Query, *, size: int | None = None, cursor: Cursor | None = None) -> Page:
    """All matching items without `size` and `cursor`. A cursor contains its query, and its size unless `size` is given."""
    query = cursor.query if cursor else query
    size = size or (cursor.size if cursor else None)
    selected = select(items, query)
    start, end = _bounds(selected, size, cursor) if size else (0, len(selected))
    last = Cursor(query, size or LARGEST_PAGE, None, back=True)
    after = replace(last, at=query.key(selected[end - 1]), back=False).encode() if 0 < end < len(selected) else None
    before = None
    if start > 0:
        before = replace(last, at=query.key(selected[start])).encode() if start < len(selected) else last.encode()
    return Page(tuple(selected[start:end]), after, before)


def _bounds(selected: Sequence[WorkloadItem], size: int, cursor: Cursor | None) -> tuple[int, int]:
    if cursor is None:
        return 0, min(size, len(selected))
    if cursor.at is None:
        return max(len(selected) - size, 0), len(selected)
    keys = [cursor.query.key(item) for item in selected]
    descending = cursor.query.direction is Direction.DESC
    if descending:
        keys.reverse()
    # `place` counts the items before the cursor's own; when the page goes forward, that one as well.
    place = (bisect_left if cursor.back is not descending else bisect_right)(keys, cursor.at)
    if descending:
        place = len(keys) - place
    return (max(place - size, 0), place) if cursor.back else (place, min(place + size, len(selected)))
