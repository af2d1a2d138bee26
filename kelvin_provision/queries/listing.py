"""The platform's filters, order and pages (KELVIN 3.3, 3.4) over items of its list. Pure: knows neither ledger nor terminal.

A cursor is opaque to whoever gets it: base64 of JSON, with the filters, the order and the page's size inside, because the
platform's own clients send back nothing else. The place is that of an item's keys and not a number: workloads that come
and go between two pages neither hide others nor show them twice.
"""

from __future__ import annotations

import binascii
import json
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from typing import Any, Self

from kelvin_provision.errors import CursorInvalid
from kelvin_provision.spec.enums import State

Item = Mapping[str, Any]
Key = list[tuple[int, str | int]]
SEARCHED = ("name", "title", "app_name", "cluster_name", "node_name")
LARGEST_PAGE = 10_000
_FORM = 1


class SortKey(StrEnum):
    """What a list can be ordered by."""

    NAME = "name"
    TITLE = "title"
    CLUSTER_NAME = "cluster_name"
    NODE_NAME = "node_name"
    ENABLED = "enabled"
    CREATED = "created"
    UPDATED = "updated"


class Direction(StrEnum):
    """Of the whole order."""

    ASC = "asc"
    DESC = "desc"


@dataclass(frozen=True)
class Query:
    """Which items, and in which order. Values of one filter are alternatives; all filters hold together."""

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

    def wants(self, item: Item) -> bool:
        """Whether an item passes every filter."""
        text = "\n".join(item[key] or "" for key in SEARCHED).lower()
        exact = (self.name, "name"), (self.app_name, "app_name"), (self.app_version, "app_version")
        place = (self.cluster_name, "cluster_name"), (self.node_name, "node_name")
        return (
            (not self.search or any(part.lower() in text for part in self.search))
            and all(not chosen or item[key] in chosen for chosen, key in (*exact, *place))
            and (not self.state or item["status"]["state"] in self.state)
            and (not self.staged or item["staged"] is not None)
            and (self.enabled is None or item["enabled"] is self.enabled)
        )

    def key(self, item: Item) -> Key:
        """What an item is ordered by; its name decides last, so that no two are equal. Nothing comes after everything."""
        return [_part(item[key]) for key in (*self.sort_by, SortKey.NAME)]


def _part(value: str | bool | None) -> tuple[int, str | int]:  # noqa: FBT001  (a value of the item)
    if value is None:
        return (1, "")
    return (0, int(value)) if isinstance(value, bool) else (0, value.casefold())


@dataclass(frozen=True)
class Cursor:
    """A place in a list: `size` items after `at`, or with `back` those before it; None is the very end."""

    query: Query
    size: int
    at: Key | None
    back: bool = False

    def encode(self) -> str:
        """Safe in a URL and on a command line."""
        usual = asdict(Query())
        asked = {key: value for key, value in asdict(self.query).items() if value != usual[key]}
        document = {"v": _FORM, "q": asked, "size": self.size, "back": self.back, "at": self.at}
        text = json.dumps(document, separators=(",", ":"))
        return binascii.b2a_base64(text.encode(), newline=False).translate(_URL).rstrip(b"=").decode()

    @classmethod
    def decode(cls, text: str) -> Self:
        """Raises CursorInvalid for anything that `encode` did not make."""
        try:
            data = text.encode("ascii").rstrip(b"=").translate(_PLAIN)
            return cls._from(json.loads(binascii.a2b_base64(data + b"=" * (-len(data) % 4), strict_mode=True)))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise CursorInvalid(f"{text[:60]!r} is no cursor of this list") from error

    @classmethod
    def _from(cls, found: dict[str, Any]) -> Self:
        size, back, at = _is(int, found["size"]), _is(bool, found["back"]), found["at"]
        if found["v"] != _FORM or not 1 <= size <= LARGEST_PAGE or (at is None and not back):
            raise ValueError(found)
        query = _query(found["q"])
        return cls(query, size, None if at is None else _key(at, query), back=back)


_URL = bytes.maketrans(b"+/", b"-_")
_PLAIN = bytes.maketrans(b"-_", b"+/")


def _query(found: dict[str, Any]) -> Query:
    known = {field.name for field in fields(Query)}
    if set(found) - known:
        raise ValueError(found)
    values: dict[str, Any] = {}
    for name, value in found.items():
        if name in {"staged", "enabled"}:
            values[name] = _is(bool, value)
        elif name == "direction":
            values[name] = Direction(value)
        else:
            kind = {"state": State, "sort_by": SortKey}.get(name, str)
            values[name] = tuple(kind(_is(str, part)) for part in _is(list, value))
    return Query(**values)


def _key(found: Any, query: Query) -> Key:
    """As many parts as the order has, each of the kind that its key has: others could not be compared."""
    names = (*query.sort_by, SortKey.NAME)
    parts = [(_is(int, rank), value) for rank, value in _is(list, found)]
    if len(parts) != len(names):
        raise ValueError(found)
    for name, (rank, value) in zip(names, parts, strict=True):
        _is(int if name is SortKey.ENABLED and rank == 0 else str, value)
    return parts


def _is(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise TypeError(value)
    return value


def select(items: Sequence[Item], query: Query) -> list[Item]:
    """Those that are wanted, in order."""
    return sorted(filter(query.wants, items), key=query.key, reverse=query.direction is Direction.DESC)


def page(items: Sequence[Item], query: Query, *, size: int | None = None, cursor: Cursor | None = None) -> dict[str, Any]:
    """The platform's list in its cursor form. With a cursor its query counts and its size, unless `size` says another."""
    query = cursor.query if cursor else query
    size = size or (cursor.size if cursor else None)
    found = select(items, query)
    start, end = _bounds(found, size, cursor) if size else (0, len(found))
    here = Cursor(query, size or LARGEST_PAGE, None, back=True)
    after = replace(here, at=query.key(found[end - 1]), back=False).encode() if 0 < end < len(found) else None
    before = None
    if start > 0:
        before = replace(here, at=query.key(found[start])).encode() if start < len(found) else here.encode()
    return {"data": found[start:end], "pagination": {"next_page": after, "previous_page": before}}


def _bounds(found: Sequence[Item], size: int, cursor: Cursor | None) -> tuple[int, int]:
    if cursor is None:
        return 0, min(size, len(found))
    if cursor.at is None:
        return max(len(found) - size, 0), len(found)
    keys = [cursor.query.key(item) for item in found]
    falls = cursor.query.direction is Direction.DESC
    if falls:
        keys.reverse()
    # `place` counts the items that stand before the cursor's; on the way on, its own item as well.
    place = (bisect_left if cursor.back is not falls else bisect_right)(keys, cursor.at)
    if falls:
        place = len(keys) - place
    return (max(place - size, 0), place) if cursor.back else (place, min(place + size, len(found)))
