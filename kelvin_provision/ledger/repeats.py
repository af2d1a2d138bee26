"""Repeated requests: a client that got no answer in time sends the same request again, and it is carried out once.

The order of the first one is found by its key. It counts until the window is over, it has ended badly, or any other change to one of
its workloads was accepted: stop, start, stop are three orders. So it is with a deploy, which is found by its batch: numbers of revisions
start again after an undeploy.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Collection
from dataclasses import dataclass

from kelvin_provision import timestamps
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model.orders import Order, Outcome
from kelvin_provision.ledger.rows import common as rows
from kelvin_provision.spec.enums import Method

WINDOW = 60.0
"""Seconds in which the same request is taken for a repetition."""
_SEPARATOR = "."
_AFTER_SEPARATOR = "/"


def key_of(digest: str) -> str:
    """The key of a new order for the request of this digest."""
    return f"{digest}{_SEPARATOR}{uuid.uuid4().hex}"


def repeated(ledger: Ledger, digest: str, *, window: float = WINDOW) -> Order | None:
    """The order that the same request has placed, if this one is a repetition of it."""
    with ledger.reading() as db:
        query = "SELECT * FROM orders WHERE key > ? AND key < ? ORDER BY id DESC LIMIT 1"
        row = db.execute(query, (f"{digest}{_SEPARATOR}", f"{digest}{_AFTER_SEPARATOR}")).fetchone()
        if row is None:
            return None
        order = rows.order(row)
        age = timestamps.parse(ledger.clock()) - timestamps.parse(order.asked)
        failed = order.outcome is not None and order.outcome is not Outcome.DONE
        if failed or abs(age.total_seconds()) > window or _changed_since(db, order):
            return None
        return order


_NAMES = rows.LISTED.replace("?", ":names")
_ORDERED = f"SELECT 1 FROM orders, {rows.items('targets')} AS item WHERE orders.id > :order AND {rows.part(0)} {_NAMES}"  # noqa: S608  (constants)
_EARLIER = "EXISTS (SELECT 1 FROM orders WHERE orders.operation = operations.id AND orders.id <= :order)"
_OPERATED = f"SELECT 1 FROM operations, {rows.items('steps')} AS item WHERE NOT {_EARLIER} AND {rows.part(0)} {_NAMES}"  # noqa: S608  (constants)
_DEPLOYED = f"SELECT 1 FROM revisions WHERE workload {_NAMES}"  # noqa: S608  (constants)


def _changed_since(db: sqlite3.Connection, order: Order) -> bool:
    """Whether anything else was asked of one of its workloads, or done to it."""
    (names,) = rows.listed(order.names)
    values = {"order": order.id, "asked": order.asked, "names": names}
    queries = (_ORDERED, f"{_OPERATED} AND started > :asked", f"{_DEPLOYED} AND created > :asked")
    return any(db.execute(f"{query} LIMIT 1", values).fetchone() for query in queries)


# --- deploys --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Point:
    """The newest order and the newest operation of a moment: later ones have higher numbers, whatever the clock says."""

    order: int
    operation: int


def point(ledger: Ledger) -> Point:
    with ledger.reading() as db:
        return Point(*(int(db.execute(f"SELECT coalesce(max(id), 0) FROM {table}").fetchone()[0]) for table in ("orders", "operations")))  # noqa: S608  (constants)


_NEWEST = "workloads JOIN revisions ON workload = name AND number = coalesce(staged, running)"
_STANDING = f"SELECT 1 FROM {_NEWEST} WHERE name {_NAMES} AND batch = :batch"  # noqa: S608  (constants)
_BY_ITSELF = (
    f"kind = 'apply' AND EXISTS (SELECT 1 FROM revisions WHERE workload = {rows.part(0)} AND number = {rows.part(2)} AND batch = :batch"  # noqa: S608  (constants)
    f" AND iif(json_valid(spec), json_extract(spec, '$.method'), NULL) <> '{Method.STAGED}')"
)


def is_last_change(ledger: Ledger, batch: str, names: Collection[str], before: Point) -> bool:
    """Whether this deploy is the last change that was accepted for its workloads. An apply by its deployment method is part of it.

    `before`: a moment before it. An order that was accepted between that and the deploy counts as a change: then it is staged once more.
    """
    (listed,) = rows.listed(names)
    values = {"order": before.order, "operation": before.operation, "batch": batch, "names": listed}
    with ledger.reading() as db:
        if len(db.execute(_STANDING, values).fetchall()) != len(set(names)):
            return False
        others = (_ORDERED, f"{_OPERATED} AND operations.id > :operation AND NOT ({_BY_ITSELF})")
        return not any(db.execute(f"{query} LIMIT 1", values).fetchone() for query in others)
