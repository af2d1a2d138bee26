"""Repeated requests: a client that got no answer in time sends the same request again, and it is carried out once.

The order of the first one is found by its key. It counts until the window is over, it has ended badly, or any other change to one of
its workloads was accepted: stop, start, stop are three orders.
"""

from __future__ import annotations

import sqlite3
import uuid

from kelvin_provision import timestamps
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model import Order, Outcome
from kelvin_provision.ledger.rows import common as rows

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
_OPERATED = f"SELECT 1 FROM operations, {rows.items('steps')} AS item WHERE operations.id IS NOT :operation AND {rows.part(0)} {_NAMES}"  # noqa: S608  (constants)
_DEPLOYED = f"SELECT 1 FROM revisions WHERE workload {_NAMES}"  # noqa: S608  (constants)


def _changed_since(db: sqlite3.Connection, order: Order) -> bool:
    """Whether anything else was asked of one of its workloads, or done to it."""
    (names,) = rows.listed(order.names)
    values = {"order": order.id, "operation": order.operation, "asked": order.asked, "names": names}
    queries = (_ORDERED, f"{_OPERATED} AND started > :asked", f"{_DEPLOYED} AND created > :asked")
    return any(db.execute(f"{query} LIMIT 1", values).fetchone() for query in queries)
