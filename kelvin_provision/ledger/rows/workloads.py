"""Workloads from their rows. One that cannot be read does not affect the others."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from kelvin_provision.errors import StateDamaged
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.hints import Hint, command
from kelvin_provision.ledger.model.orders import Order
from kelvin_provision.ledger.model.workloads import Rehearsal, Revision, Workload
from kelvin_provision.ledger.rows.common import LISTED, listed, pending_orders, revision, standing, unfinished
from kelvin_provision.ledger.rows.damage import Row, is_time, printable
from kelvin_provision.ledger.rows.folding import Folding
from kelvin_provision.ledger.rows.rehearsals import rehearsals
from kelvin_provision.observation import Hold, Observation
from kelvin_provision.spec.folded import MANY
from kelvin_provision.status import OperationKind

_DEPLOY_AGAIN = command("workloads deploy", "-f", "FILE", instruction="keep a copy of the state directory, then deploy it again")

_CHUNK = 100
Revisions = Mapping[tuple[str, int], sqlite3.Row]


@dataclass(frozen=True)
class Readable:
    """Workloads by name, and why others of them cannot be read."""

    workloads: dict[str, Workload]
    damaged: dict[str, StateDamaged]


def unreadable(name: str) -> Workload:
    """Stands for a workload of which only the name can be read."""
    return Workload(name, name, enabled=True, created="", updated="", running=None, staged=None, observation=None, operation=None)


class Asked(NamedTuple):
    """What is asked for or under way of one workload, and when what was seen of it was confirmed."""

    operation: OperationKind | None
    held: Hold | None
    orders: tuple[Order, ...]
    confirmed: str
    rehearsals: Mapping[tuple[str, int], Rehearsal] = MappingProxyType({})


def workloads(db: sqlite3.Connection, names: Collection[str] | None = None) -> Readable:
    """Every workload with its slots, or those of these names that exist, sorted by name. Reads no row of another workload."""
    where, values = ("", ()) if names is None else (f" WHERE name {LISTED}", listed(names))
    kinds, at = _under_way(db), confirmed(db)
    orders: dict[str, list[Order]] = {}
    for pending in standing(db, pending_orders(db, names)):
        for name in pending.names:
            orders.setdefault(name, []).append(pending)
    hold_rows = db.execute(f"SELECT * FROM holds{where.replace('name', 'workload')}", values)  # noqa: S608  (constants)
    held = {row["workload"]: _hold(row) for row in hold_rows}
    rehearsed = rehearsals(db, names)
    result = Readable({}, {})
    folding = Folding() if _number(db, where, values) > MANY else None
    for row, revisions in _with_slots(db, db.execute(f"SELECT * FROM workloads{where} ORDER BY name", values)):  # noqa: S608
        name = row["name"]
        try:
            asked = Asked(kinds.get(name), held.get(name), tuple(orders.get(name, ())), at, rehearsed)
            workload = _workload(row, revisions, asked, folding)
            result.workloads[workload.name] = workload
        except StateDamaged as error:
            result.damaged[printable(name)] = error
    return result


def _number(db: sqlite3.Connection, where: str, values: Sequence[str]) -> int:
    return int(db.execute(f"SELECT count(*) FROM workloads{where}", values).fetchone()[0])  # noqa: S608  (constants)


def _with_slots(db: sqlite3.Connection, stored: sqlite3.Cursor) -> Iterator[tuple[sqlite3.Row, Revisions]]:
    """Each row of a workload with the rows of its revisions. Few are in memory at a time: their texts are as large as all else."""
    query = f"SELECT revisions.* FROM workloads JOIN revisions ON workload = name AND number IN (running, staged) WHERE name {LISTED}"  # noqa: S608
    while chunk := stored.fetchmany(_CHUNK):
        names = [row["name"] for row in chunk if isinstance(row["name"], str)]
        revisions = {(row["workload"], row["number"]): row for row in db.execute(query, listed(names))}
        yield from ((row, revisions) for row in chunk)


def changing(db: sqlite3.Connection) -> tuple[str, ...]:
    """Workloads that an operation or an order for now is about: their state is not only what was seen and staged."""
    orders = [name for order in standing(db, pending_orders(db)) if order.at is None for name in order.names]
    return tuple(dict.fromkeys((*_under_way(db), *orders)))


def _workload(row: sqlite3.Row, revisions: Revisions, asked: Asked, folding: Folding | None) -> Workload:
    def start_again() -> Hint:
        return _start_again(printable(row["name"]))

    cells = Row(row, "workloads", "name", hint=start_again)
    name = cells.text("name")

    def slot(column: str, hint: Callable[[], Hint]) -> Revision | None:
        number = cells.number_or_none(column)
        if number is None:
            return None
        if (name, number) not in revisions:
            cells.damaged(column)
        stored = revisions[name, number]
        made = revision(stored, hint=hint)
        return folding.revision(made, stored) if folding else made

    running, staged = slot("running", start_again), slot("staged", lambda: _DEPLOY_AGAIN)
    if running is None and staged is None:
        cells.damaged("running")
    cells.number("latest")
    seen = observation(row, asked.confirmed)
    made = Workload(
        name=name,
        title=cells.text("title"),
        enabled=cells.flag("enabled"),
        created=cells.time("created"),
        updated=cells.time("updated"),
        running=running,
        staged=staged,
        observation=folding.observation(seen) if folding else seen,
        operation=asked.operation,
        held=asked.held,
        orders=asked.orders,
        rehearsal=asked.rehearsals.get((name, staged.number)) if staged else None,
    )
    return folding.texts(made) if folding else made


@dataclass(frozen=True)
class Known:
    """What was seen of workloads by `line`, the last line of the history: changes to workloads are done when they have theirs."""

    line: int
    observations: Mapping[str, Observation | None]


def known(db: sqlite3.Connection, names: Collection[str]) -> Known:
    """Of those of these workloads that exist."""
    line = db.execute("SELECT coalesce(max(seq), 0) FROM history").fetchone()[0]
    at = confirmed(db)
    stored = db.execute(f"SELECT name, observation FROM workloads WHERE name {LISTED}", listed(names))  # noqa: S608  (a constant)
    return Known(line, {row["name"]: observation(row, at) for row in stored})


def is_outdated(db: sqlite3.Connection, before: Known, names: Collection[str]) -> bool:
    """Whether more is known by now: a change was done meanwhile, or another process has looked at one of these workloads."""
    now, seen = known(db, names), before.observations
    return now.line != before.line or any(_content(each) != _content(seen.get(name)) for name, each in now.observations.items())


def _content(seen: Observation | None) -> Observation | None:
    """The time apart: that of an unchanged one is confirmed again and again."""
    return replace(seen, seen="") if seen else None


def confirmed(db: sqlite3.Connection) -> str:
    """When the agent last found everything that runs as it was; empty where that is not known."""
    row = db.execute("SELECT value FROM facts WHERE key = 'observed'").fetchone()
    return row[0] if row and isinstance(row[0], str) and is_time(row[0]) else ""


def observation(row: sqlite3.Row, at: str) -> Observation | None:
    """A damaged observation is ignored: the next one comes within a minute. One that is unchanged was last `confirmed` at this time."""
    cells = Row(row, "workloads", "name")
    with suppress(StateDamaged):
        seen = cells.json_or_none("observation", Observation.from_json)
        times = (seen.seen, seen.hold.since if seen.hold else "") if seen else ()
        if seen and at > seen.seen and seen.reachable:
            seen = replace(seen, seen=at)
        return seen if all(is_time(time) for time in times if time) else None
    return None


def _under_way(db: sqlite3.Connection) -> dict[str, OperationKind]:
    """What is being done, by workload. An operation that cannot be read is for the next change, which ends it."""
    with suppress(StateDamaged):
        operation = unfinished(db)
        return {step.workload: operation.kind for step in operation.steps} if operation else {}
    return {}


def _hold(row: sqlite3.Row) -> Hold:
    """A hold counts also where it cannot be read."""
    cells = Row(row, "holds", "workload")
    try:
        return Hold(cells.text("reason"), cells.text("who"), cells.time("since"))
    except StateDamaged as error:
        return Hold(str(error), "?")


def _start_again(name: str) -> Hint:
    return command(
        "workloads undeploy", names=(name,), instruction="keep a copy of the state directory; to start over", note="then deploy it again"
    )
