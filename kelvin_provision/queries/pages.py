"""Pages of the list from the ledger's indexes: they cost what they show, however many workloads there are.

`listing.page` says the same of items that are in memory; a test compares them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.ledger.rows import listing as rows
from kelvin_provision.ledger.rows.listing import Criteria, Place
from kelvin_provision.ledger.rows.workloads import changing
from kelvin_provision.queries.items import item_of
from kelvin_provision.queries.listing import LARGEST_PAGE, Cursor, Direction, Key, Query, SortKey
from kelvin_provision.spec.enums import State
from kelvin_provision.status import Situation, derive, of_staged

if TYPE_CHECKING:
    import sqlite3

    from kelvin_provision.ledger.ledger import Ledger

_COLUMNS = {SortKey.CLUSTER_NAME: "cluster", SortKey.NODE_NAME: "node"}
"""Of the sort keys that have another name in the ledger."""
_FILTERS = ("name", "app_name", "app_version", "cluster_name", "node_name")


@dataclass(frozen=True)
class Names:
    """The workloads of a page by name, in order, with the cursors of its neighbours."""

    names: tuple[str, ...]
    next_page: str | None = None
    previous_page: str | None = None


def names(ledger: Ledger, query: Query, *, size: int | None = None, cursor: Cursor | None = None) -> Names:
    """All matching workloads without `size` and `cursor`. A cursor contains its query, and its size unless `size` is given.

    Call it within a transaction that also reads the workloads: between the two, one could go.
    """
    query = cursor.query if cursor else query
    size = size or (cursor.size if cursor else None)
    columns = [_COLUMNS.get(key, key.value) for key in query.sort_by]
    descending = query.direction is Direction.DESC
    with ledger.reading() as db:
        criteria = _criteria(ledger, db, query)

        def keys(place: Place, limit: int) -> list[rows.Key]:
            return rows.keys(db, criteria, columns, place, descending=descending, limit=limit)

        if size is None:
            return Names(tuple(str(key[-1]) for key in keys(rows.START, -1)))
        at = Place(_to_row(cursor.at, query) if cursor.at else None, cursor.back) if cursor else rows.START
        selected = keys(at, size + 1)
        more = len(selected) > size
        selected = (selected[-size:] if at.back else selected[:size]) if more else selected
        # What is on the other side of the cursor, its own workload included.
        beyond = at.key is not None and bool(keys(Place(at.key, not at.back, inclusive=True), 1))
    after, before = (beyond, more) if at.back else (more, beyond)
    last = Cursor(query, size or LARGEST_PAGE, None, back=True)
    return Names(
        tuple(str(key[-1]) for key in selected),
        replace(last, at=_from_row(selected[-1], query), back=False).encode() if after and selected else None,
        (replace(last, at=_from_row(selected[0], query)) if selected else last).encode() if before else None,
    )


def _criteria(ledger: Ledger, db: sqlite3.Connection, query: Query) -> Criteria:
    equal: dict[str, tuple[str | int, ...]] = {name: value for name in _FILTERS if (value := getattr(query, name))}
    if query.enabled is not None:
        equal["enabled"] = (int(query.enabled),)
    if not query.state:
        return Criteria(query.staged, equal, query.search)

    def matches(situation: Situation | None) -> bool:
        return _state(situation, staged=query.staged) in query.state

    chosen = rows.situations(db, matches, staged=query.staged)
    apart = () if query.staged else changing(db)
    included = tuple(name for name, workload in ledger.existing(apart).items() if item_of(workload).status.state in query.state)
    return Criteria(query.staged, equal, query.search, chosen, apart, included)


def _state(situation: Situation | None, *, staged: bool) -> State:
    if situation is None or (staged and situation.staged is None):
        return State.FAILED
    return of_staged(situation.staged).state if staged and situation.staged else derive(situation).state


def _from_row(key: rows.Key, query: Query) -> Key:
    """The part of a cursor that other pages of this list are compared with: as `Query.key`."""
    parts: Key = []
    for name, value in zip((*query.sort_by, SortKey.NAME), key, strict=True):
        if name is SortKey.NODE_NAME:
            text = str(value)
            parts.append((1, "") if text == rows.NO_NODE else (0, text.removeprefix(rows.A_NODE)))
        else:
            parts.append((0, value if name is SortKey.ENABLED and type(value) is int else str(value)))
    return parts


def _to_row(key: Key, query: Query) -> rows.Key:
    parts: list[str | int] = []
    for name, (rank, value) in zip((*query.sort_by, SortKey.NAME), key, strict=True):
        if name is SortKey.NODE_NAME:
            parts.append(rows.NO_NODE if rank else f"{rows.A_NODE}{value}")
        else:
            parts.append(value)
    return tuple(parts)
