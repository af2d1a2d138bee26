"""Orders: changes that the agent is to carry out, at a time or as soon as possible.

An order means revisions (`model.Target`), and is valid only while they are there: that of an apply are the staged ones. An apply by hand,
a new deploy and an undeploy therefore end it, in the same commit. No order does anything to what is accepted after it. The
newest `order_rows.KEPT` ended orders are kept, so that a front end can show them.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from kelvin_provision import timestamps
from kelvin_provision.errors import NotReady, OrderUnknown, UsageRefused
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model.orders import Order, Outcome, Target, replaced
from kelvin_provision.ledger.model.workloads import Workload
from kelvin_provision.ledger.rows import common as rows
from kelvin_provision.ledger.rows import orders as order_rows
from kelvin_provision.quantity import parse_count
from kelvin_provision.status import Verb


@dataclass(frozen=True)
class OrderRequest:
    """A new order. `key` is the caller's idempotency key; empty, the order gets a key of its own. `at` is RFC 3339 in UTC."""

    actor: str
    verb: Verb
    targets: tuple[Target, ...]
    arguments: Mapping[str, object] = field(default_factory=dict)
    at: str | None = None
    key: str = ""


@dataclass(frozen=True)
class Placed:
    """The order, whether it was created, and the orders that it replaced."""

    order: Order
    created: bool = True
    cancelled: tuple[Order, ...] = ()


def apply_of(
    workloads: Sequence[Workload], *, actor: str, at: str | None = None, forced: bool = False, everything: bool = False, key: str = ""
) -> OrderRequest:
    """An order to apply the revisions of these workloads that are staged now. `everything`: they were not named one by one."""
    targets = tuple(Target(workload.name, workload.staged.number) for workload in workloads if workload.staged)
    arguments = {"force": forced, "all": everything}
    return OrderRequest(actor, Verb.APPLY, targets, {key: True for key, value in arguments.items() if value}, at, key)


# --- placing and cancelling -----------------------------------------------------------------------


def place(ledger: Ledger, request: OrderRequest) -> Placed:
    """Store the order. The same key returns the first order and changes nothing, even if the request differs.

    An order to apply replaces earlier ones that name one of its workloads, as a whole: a transaction is not applied in parts. Raises
    NotReady when one of its revisions is not staged any more.
    """
    if not request.targets and request.verb is not Verb.PRUNE:
        raise UsageRefused(f"an order to {request.verb} names at least one workload")
    with ledger.writing() as db:
        if request.key and (row := db.execute("SELECT * FROM orders WHERE key = ?", (request.key,)).fetchone()):
            return Placed(rows.order(row), created=False)
        now, cancelled = ledger.clock(), tuple[Order, ...]()
        if request.verb is Verb.APPLY:
            _refuse_replaced(db, request.targets)
            cancelled = order_rows.cancel_all(db, Verb.APPLY, [target.workload for target in request.targets], actor=request.actor, now=now)
        values = (
            request.key or uuid.uuid4().hex,
            request.actor,
            request.verb,
            json.dumps([[target.workload, target.revision] for target in request.targets]),
            json.dumps(dict(request.arguments)),
            request.at,
            now,
        )
        inserted = db.execute("INSERT INTO orders (key, actor, verb, targets, arguments, at, asked) VALUES (?, ?, ?, ?, ?, ?, ?)", values)
        order = rows.order(db.execute("SELECT * FROM orders WHERE id = ?", (inserted.lastrowid,)).fetchone())
        order_rows.write_lines(db, order, "accepted", actor=order.actor, now=now)
        return Placed(order, cancelled=cancelled)


def _refuse_replaced(db: sqlite3.Connection, targets: Sequence[Target]) -> None:
    staged = rows.staged_numbers(db, [target.workload for target in targets])
    others = replaced(targets, staged)
    if others:
        raise NotReady(f"{', '.join(others)}: its staged version was replaced in the meantime")


def cancel(ledger: Ledger, number: int, *, actor: str) -> Order | None:
    """Cancel the order if it is pending. Returns it as it is now; None when there is no such order."""
    with ledger.writing() as db:
        row = db.execute("SELECT * FROM orders WHERE id = ?", (number,)).fetchone()
        if row is None:
            return None
        order = rows.order(row)
        return order_rows.end(db, order, Outcome.CANCELLED, "", (), actor=actor, now=ledger.clock()) if order.pending else order


def cancel_naming(ledger: Ledger, names: Collection[str], *, actor: str, verb: Verb = Verb.APPLY, note: str = "") -> tuple[Order, ...]:
    """Cancel the pending orders of this verb that name one of these workloads, whole."""
    with ledger.writing() as db:
        return order_rows.cancel_all(db, verb, names, actor=actor, now=ledger.clock(), note=note)


# --- reading --------------------------------------------------------------------------------------


def pending(ledger: Ledger) -> tuple[Order, ...]:
    """Valid orders that have not begun, the next one first."""
    with ledger.reading() as db:
        return tuple(rows.standing(db, rows.pending_orders(db)))


def due(ledger: Ledger, now: datetime) -> tuple[Order, ...]:
    """Pending orders whose time has come."""
    return tuple(order for order in pending(ledger) if order.at is None or timestamps.parse(order.at) <= now)


def find(ledger: Ledger, number: int) -> Order | None:
    with ledger.reading() as db:
        row = db.execute("SELECT * FROM orders WHERE id = ?", (number,)).fetchone()
    return rows.order(row) if row else None


def named(ledger: Ledger, text: str) -> Order:
    """By its number or its code, as a person types it. Raises OrderUnknown."""
    number, _, letters = text.strip().upper().replace(" ", "-").partition("-")
    order = find(ledger, parse_count(number) or 0)
    if order is None:
        raise OrderUnknown(f"there is no order {text[:40]!r} on this box, or it is no longer among the newest {order_rows.KEPT}")
    if letters and f"{number}-{letters}" != order.code:
        raise OrderUnknown(f"{text[:40]!r} is not the code of an order of this box: order {order.id} has other letters")
    return order


def recent(ledger: Ledger, limit: int = order_rows.KEPT, *, workload: str | None = None) -> tuple[Order, ...]:
    """Orders in all states, optionally of one workload, the newest first."""
    named = f"EXISTS (SELECT 1 FROM {rows.items('targets')} AS item WHERE {rows.part(0)} = :name)"  # noqa: S608  (constants)
    query = f"SELECT * FROM orders WHERE :name IS NULL OR {named} ORDER BY id DESC LIMIT :limit"  # noqa: S608  (constants)
    with ledger.reading() as db:
        return tuple(rows.sound(rows.order, db.execute(query, {"name": workload, "limit": limit})))


# --- carrying out ---------------------------------------------------------------------------------


def end(ledger: Ledger, order: Order, outcome: Outcome, note: str = "", evidence: Sequence[str] = (), *, actor: str) -> None:
    """Record the outcome of a pending order, with lines of history unless it is done. An order that has begun is ended by its operation."""
    with ledger.writing() as db:
        row = db.execute("SELECT * FROM orders WHERE id = ? AND begun IS NULL AND ended IS NULL", (order.id,)).fetchone()
        if row is not None:
            order_rows.end(db, rows.order(row), outcome, note, evidence, actor=actor, now=ledger.clock())


def expire(ledger: Ledger, order: Order, why: str, *, actor: str) -> None:
    end(ledger, order, Outcome.MISSED, why, actor=actor)


def cancel_replaced(ledger: Ledger, *, actor: str) -> tuple[Order, ...]:
    """Cancel orders whose revisions are not there any more. Writes nothing when there are none."""
    if len(pending(ledger)) == _count_pending(ledger):
        return ()
    with ledger.writing() as db:
        return order_rows.cancel_moved(db, None, actor=actor, now=ledger.clock())


def _count_pending(ledger: Ledger) -> int:
    with ledger.reading() as db:
        return int(db.execute("SELECT count(*) FROM orders WHERE ended IS NULL AND begun IS NULL").fetchone()[0])


def note(ledger: Ledger, order: Order, text: str) -> None:
    """Record what the order waits for. An unchanged note is not written."""
    if order.note != text:
        with ledger.writing() as db:
            db.execute("UPDATE orders SET note = ? WHERE id = ? AND ended IS NULL", (text, order.id))
