"""Names of workloads, filtered, sorted and cut into pages by indexes: no row of a workload or a revision is read."""

from __future__ import annotations

import heapq
import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import field
from itertools import islice
from typing import Any

from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.ledger.rows.common import LISTED, listed
from kelvin_provision.ledger.rows.damage import printable
from kelvin_provision.observation import Observation, Observed
from kelvin_provision.spec.enums import Download, Method
from kelvin_provision.status import Situation, Slot
from kelvin_provision.wait_reason import WaitKind, WaitReason

Key = tuple[str | int, ...]
"""What a name is sorted by; the name itself comes last."""
NO_NODE, A_NODE = "1", "0"
"""The first character of the column `node`: workloads without one come last."""
_SEARCHED = ("name", "title", "app_name", "cluster", "node")
_RANKS: dict[type[Any], int] = {str: 2, bytes: 3}


@dataclass(frozen=True)
class Criteria:
    """`equal`: columns with the values that they may have. `situations`: None for all.

    `apart` are workloads whose state is not that of their situation, since something is under way or ordered; `included` are those of
    them that are listed all the same.
    """

    staged: bool = False
    equal: Mapping[str, Sequence[str | int]] = field(default_factory=dict)
    search: tuple[str, ...] = ()
    situations: tuple[str, ...] | None = None
    apart: tuple[str, ...] = ()
    included: tuple[str, ...] = ()


@dataclass(frozen=True)
class Place:
    """Where a page begins: after `key` (with `inclusive`: at it) in the list, or before it with `back`; without a key at an end of it."""

    key: Key | None = None
    back: bool = False
    inclusive: bool = False


START = Place()


def keys(
    db: sqlite3.Connection, criteria: Criteria, columns: Sequence[str], place: Place = START, *, descending: bool = False, limit: int = -1
) -> list[Key]:
    """The keys of at most so many workloads from this place on, in the order of the list."""
    forward = descending is place.back
    shown = [*columns, "name"]
    direction, compared = ("ASC", ">") if forward else ("DESC", "<")
    begin, values = "", tuple[str | int, ...]()
    if place.key is not None:
        begin = f" AND ({', '.join(shown)}) {compared}{'=' * place.inclusive} ({', '.join('?' * len(shown))})"
        values = place.key
    order = ", ".join(f"{column} {direction}" for column in shown)

    def rows_of(condition: str, parameters: Sequence[str | int]) -> Iterable[Key]:
        query = f"SELECT {', '.join(shown)} FROM listing WHERE {condition}{begin} ORDER BY {order} LIMIT ?"  # noqa: S608  (constants)
        return map(tuple, db.execute(query, (*parameters, *values, limit)))

    if criteria.search and not "".join(criteria.search).isascii():
        db.create_function("every_lower", 1, _lower, deterministic=True)
    parts = [rows_of(*condition) for condition in _conditions(criteria)]
    merged = heapq.merge(*parts, key=_as_sqlite, reverse=not forward) if len(parts) > 1 else parts[0]
    result = list(merged if limit < 0 else islice(merged, limit))
    return result[::-1] if place.back else result


def _lower(text: Any) -> Any:
    """SQLite's own knows ASCII only, and is not replaced: triggers write with it."""
    return text.lower() if isinstance(text, str) else text


def _as_sqlite(key: tuple[Any, ...]) -> list[tuple[int, Any]]:
    """The order of SQLite, also for the values of a damaged row: nothing, numbers, text, bytes."""
    return [(0, 0) if part is None else (_RANKS.get(type(part), 1), part) for part in key]


def _conditions(criteria: Criteria) -> list[tuple[str, list[str | int]]]:
    """One for each situation: an index then has its workloads in the order of the list."""
    words, values = [f"view = {int(criteria.staged)}"], list[str | int]()
    for column, alternatives in criteria.equal.items():
        words.append(f"{column} = ?" if len(alternatives) == 1 else f"{column} {LISTED}")
        values.append(alternatives[0] if len(alternatives) == 1 else json.dumps(list(alternatives)))
    if criteria.search:
        lower = "lower" if "".join(criteria.search).isascii() else "every_lower"
        words.append(f"({' OR '.join(f'instr({lower}({column}), ?)' for _ in criteria.search for column in _SEARCHED)})")
        values += [part.lower() for part in criteria.search for _ in _SEARCHED]
    if criteria.situations is None:
        return [(" AND ".join(words), values)]
    of_situation = [*words, "situation = ?", *([f"name NOT {LISTED}"] if criteria.apart else [])]
    apart = listed(criteria.apart) if criteria.apart else ()
    conditions = [(" AND ".join(of_situation), [*values, situation, *apart]) for situation in criteria.situations]
    if criteria.included or not conditions:
        conditions.append((" AND ".join([*words, f"name {LISTED}"]), [*values, *listed(criteria.included)]))
    return conditions


# --- situations -----------------------------------------------------------------------------------


def situations(db: sqlite3.Connection, matches: Callable[[Situation | None], bool], *, staged: bool = False) -> tuple[str, ...]:
    """Those of the situations that there are; a look for each, however many workloads have it. None stands for one that is damaged."""
    query = (
        "WITH RECURSIVE each (text) AS ("
        "SELECT min(situation) FROM listing WHERE view = :view UNION ALL"
        " SELECT (SELECT min(situation) FROM listing WHERE view = :view AND situation > text) FROM each WHERE text IS NOT NULL"
        ") SELECT text FROM each WHERE text IS NOT NULL"
    )
    return tuple(row[0] for row in db.execute(query, {"view": int(staged)}) if matches(situation(row[0])))


def situation(text: str) -> Situation | None:
    """The inverse of the column: without texts, times, holds, and what is under way or ordered."""
    with suppress(ValueError, TypeError, AttributeError):  # of a damaged row it may be no text
        running, observed, reachable, method, download, blocked, waiting = text.split("/")
        reason = WaitReason(WaitKind(waiting)) if waiting else None
        slot = Slot(Method(method), Download(download), None, blocked == "1", reason) if method else None
        return Situation(running == "1", slot, None, _observation(observed, reachable))
    return None


def _observation(observed: str, reachable: str) -> Observation | None:
    """None also for a damaged one, as where it is read."""
    with suppress(ValueError):
        return Observation(Observed(observed), reachable=reachable != "0") if observed else None
    return None


def in_motion(now: Situation | None) -> bool:
    """Whether the agent has work with the staged revision."""
    return now is not None and now.staged is not None and now.staged.in_motion


def unapplied(now: Situation | None) -> bool:
    """Whether the agent has to look at it; also at one that is damaged, to say so."""
    return now is None or (now.staged is not None and (now.staged.in_motion or now.staged.method.instantly_apply))


def names(db: sqlite3.Connection, matches: Callable[[Situation | None], bool]) -> tuple[str, ...]:
    """Workloads in these situations, sorted."""
    chosen = situations(db, matches)
    return tuple(str(key[-1]) for key in keys(db, Criteria(situations=chosen), ())) if chosen else ()


# --- kept by triggers -----------------------------------------------------------------------------


def stale(db: sqlite3.Connection) -> tuple[str, ...]:
    """Workloads whose rows are not what their slots and revisions say: a failing disk changed one of the two. Reads all of them."""
    kept, now = "SELECT * FROM listing", "SELECT * FROM listed"
    query = f"SELECT name FROM ({now} EXCEPT {kept}) UNION SELECT name FROM ({kept} EXCEPT {now}) ORDER BY name"  # noqa: S608  (constants)
    return tuple(printable(row[0]) for row in db.execute(query))


def renew(db: sqlite3.Connection) -> None:
    """Write all rows again."""
    db.execute("DELETE FROM listing")
    db.execute("INSERT INTO listing SELECT * FROM listed")
