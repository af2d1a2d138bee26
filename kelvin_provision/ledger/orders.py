"""Orders: changes that the agent is to carry out, at a time or as soon as possible.

An order to apply names revisions and stands only while exactly these are staged. An apply by hand, a new deploy and an undeploy
therefore end it, in the same commit. Ended orders are kept for every front end to show, the newest `KEPT` of them.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from kelvin_provision import timestamps
from kelvin_provision.errors import NotReady
from kelvin_provision.ledger import evidence as attempts
from kelvin_provision.ledger import rows
from kelvin_provision.ledger.history import append
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model import Entry, Operation, Order, Outcome, Target, Workload
from kelvin_provision.status import Verb

KEPT = 1000


@dataclass(frozen=True)
class OrderRequest:
    """What is asked for. `key` is the caller's idempotency key, empty for an order of its own; `at` is RFC 3339 in UTC."""

    actor: str
    verb: Verb
    targets: tuple[Target, ...]
    arguments: Mapping[str, object] = field(default_factory=dict)
    at: str | None = None
    key: str = ""


@dataclass(frozen=True)
class Placed:
    """The order, whether it is new, and the orders that it replaced."""

    order: Order
    created: bool = True
    cancelled: tuple[Order, ...] = ()


def apply_of(workloads: Sequence[Workload], *, actor: str, at: str | None = None, forced: bool = False, key: str = "") -> OrderRequest:
    """A request to apply what is staged of these workloads now."""
    targets = tuple(Target(workload.name, workload.staged.number) for workload in workloads if workload.staged)
    return OrderRequest(actor, Verb.APPLY, targets, {"force": True} if forced else {}, at, key)


# --- asking ---------------------------------------------------------------------------------------


def place(ledger: Ledger, request: OrderRequest) -> Placed:
    """Store the order. The same key again returns the first order and changes nothing, whatever else is asked for with it.

    An order to apply replaces earlier ones that name one of its workloads, whole: what was to come up together is not applied in
    parts. Raises NotReady when one of its revisions is not the staged one any more.
    """
    with ledger.writing() as db:
        if request.key and (row := db.execute("SELECT * FROM orders WHERE key = ?", (request.key,)).fetchone()):
            return Placed(rows.order(row), created=False)
        now, cancelled = ledger.clock(), tuple[Order, ...]()
        if request.verb is Verb.APPLY:
            _refuse_replaced(db, request.targets)
            cancelled = cancel_applies(db, [target.workload for target in request.targets], actor=request.actor, now=now)
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
        _write_lines(db, order, "accepted", actor=order.actor, now=now)
        return Placed(order, cancelled=cancelled)


def _refuse_replaced(db: sqlite3.Connection, targets: Sequence[Target]) -> None:
    staged = rows.staged_numbers(db, [target.workload for target in targets])
    replaced = [target.workload for target in targets if staged.get(target.workload) != target.revision]
    if replaced:
        raise NotReady(f"{', '.join(replaced)}: its staged version was replaced in the meantime")


def cancel(ledger: Ledger, number: int, *, actor: str) -> Order | None:
    """The order as it is now; it is cancelled if it was pending. None when there is no order of that number."""
    with ledger.writing() as db:
        row = db.execute("SELECT * FROM orders WHERE id = ?", (number,)).fetchone()
        if row is None:
            return None
        order = rows.order(row)
        return _end(db, order, Outcome.CANCELLED, "", (), actor=actor, now=ledger.clock()) if order.pending else order


def cancel_naming(ledger: Ledger, names: Collection[str], *, actor: str) -> tuple[Order, ...]:
    """Cancel the pending orders to apply that name one of these workloads, whole."""
    with ledger.writing() as db:
        return cancel_applies(db, names, actor=actor, now=ledger.clock())


# --- reading --------------------------------------------------------------------------------------


def pending(ledger: Ledger) -> tuple[Order, ...]:
    """Orders that were not begun and stand, the next one first."""
    with ledger.reading() as db:
        return tuple(rows.standing(db, rows.pending_orders(db)))


def due(ledger: Ledger, now: datetime) -> tuple[Order, ...]:
    """Pending orders whose time has come."""
    return tuple(order for order in pending(ledger) if order.at is None or timestamps.parse(order.at) <= now)


def find(ledger: Ledger, number: int) -> Order | None:
    with ledger.reading() as db:
        row = db.execute("SELECT * FROM orders WHERE id = ?", (number,)).fetchone()
    return rows.order(row) if row else None


def recent(ledger: Ledger, limit: int = KEPT, *, workload: str | None = None) -> tuple[Order, ...]:
    """Orders in whatever state, or those that name this workload, the newest first."""
    named = "EXISTS (SELECT 1 FROM json_each(targets) AS target WHERE json_extract(target.value, '$[0]') = :name)"
    query = f"SELECT * FROM orders WHERE :name IS NULL OR {named} ORDER BY id DESC LIMIT :limit"  # noqa: S608  (constants)
    with ledger.reading() as db:
        return tuple(rows.order(row) for row in db.execute(query, {"name": workload, "limit": limit}))


def interrupted(ledger: Ledger) -> tuple[Order, ...]:
    """Orders that were begun and whose end was never recorded, although no operation of theirs is under way: a crash came between."""
    open_operation = "SELECT 1 FROM operations WHERE operations.id = operation AND finished IS NULL"
    query = f"SELECT * FROM orders WHERE ended IS NULL AND begun IS NOT NULL AND NOT EXISTS ({open_operation}) ORDER BY id"  # noqa: S608
    with ledger.reading() as db:
        return tuple(rows.order(row) for row in db.execute(query))


# --- carrying out ---------------------------------------------------------------------------------


def begin(ledger: Ledger, order: Order) -> bool:
    """Claim a pending order whose verb is not journaled (hold, release, deploy, prune); False when it is not pending any more.

    For the others `journal.begin` does it, in the commit that begins the operation.
    """
    with ledger.writing() as db:
        changed = db.execute(
            "UPDATE orders SET begun = ? WHERE id = ? AND begun IS NULL AND ended IS NULL", (ledger.clock(), order.id)
        ).rowcount
        return bool(changed)


def end(ledger: Ledger, order: Order, outcome: Outcome, note: str = "", evidence: Sequence[str] = (), *, actor: str) -> None:
    """Record how it ended. One that has ended already is left alone. The history has a line for it unless an operation wrote its own."""
    with ledger.writing() as db:
        row = db.execute("SELECT * FROM orders WHERE id = ? AND ended IS NULL", (order.id,)).fetchone()
        if row is not None:
            _end(db, rows.order(row), outcome, note, evidence, actor=actor, now=ledger.clock())


def expire(ledger: Ledger, order: Order, why: str, *, actor: str) -> None:
    """Its time is over and it was not begun."""
    end(ledger, order, Outcome.MISSED, why, actor=actor)


def cancel_replaced(ledger: Ledger, *, actor: str) -> tuple[Order, ...]:
    """Cancel the orders to apply whose revisions are not staged any more. Writes nothing when there are none."""
    if len(pending(ledger)) == _count_pending(ledger):
        return ()
    with ledger.writing() as db:
        orders = rows.pending_orders(db)
        standing = {order.id for order in rows.standing(db, orders)}
        return tuple(_cancel_moved(db, order, actor=actor, now=ledger.clock()) for order in orders if order.id not in standing)


def _count_pending(ledger: Ledger) -> int:
    with ledger.reading() as db:
        return int(db.execute("SELECT count(*) FROM orders WHERE ended IS NULL AND begun IS NULL").fetchone()[0])


def note(ledger: Ledger, order: Order, text: str) -> None:
    """What keeps the agent from it. The same again writes nothing."""
    if order.note != text:
        with ledger.writing() as db:
            db.execute("UPDATE orders SET note = ? WHERE id = ? AND ended IS NULL", (text, order.id))


# --- within the transactions of other modules -----------------------------------------------------


def cancel_applies(db: sqlite3.Connection, names: Collection[str], *, actor: str, now: str) -> tuple[Order, ...]:
    """Cancel the pending orders to apply that name one of these workloads."""
    orders = [order for order in rows.pending_orders(db, names) if order.verb is Verb.APPLY]
    return tuple(_end(db, order, Outcome.CANCELLED, "", (), actor=actor, now=now) for order in orders)


def cancel_moved(db: sqlite3.Connection, names: Collection[str], *, actor: str, now: str) -> tuple[Order, ...]:
    """Cancel the pending orders to apply that name one of these workloads and do not stand any more. Call it after the slots changed."""
    orders = rows.pending_orders(db, names)
    standing = {order.id for order in rows.standing(db, orders)}
    return tuple(_cancel_moved(db, order, actor=actor, now=now) for order in orders if order.id not in standing)


def _cancel_moved(db: sqlite3.Connection, order: Order, *, actor: str, now: str) -> Order:
    staged = rows.staged_numbers(db, order.names)
    moved = ", ".join(target.workload for target in order.targets if staged.get(target.workload) != target.revision)
    return _end(db, order, Outcome.CANCELLED, f"{moved} changed since", (), actor=actor, now=now)


def begin_applies(db: sqlite3.Connection, operation: Operation, *, actor: str) -> None:
    """An apply begins. It carries out the pending orders all of whose revisions are in it, and ends the others that name its workloads."""
    steps = {step.workload: step.after for step in operation.steps}
    for order in rows.pending_orders(db, steps):
        if order.verb is not Verb.APPLY:
            continue
        if all(steps.get(target.workload) == target.revision for target in order.targets):
            begin_with(db, order, operation, actor=actor)
        else:
            reason = f"{actor or 'another command'} applied {', '.join(name for name in order.names if name in steps)}"
            _close(db, order, Outcome.CANCELLED, reason, (), now=operation.started)
            for target in order.targets:
                word = "begun" if target.workload in steps else "cancelled"
                append(db, _line(order, target, word, order.at or "", actor=actor, now=operation.started))


def begin_with(db: sqlite3.Connection, order: Order, operation: Operation, *, actor: str) -> None:
    """The operation carries out this order and ends it. Raises NotReady when the order is not pending any more."""
    claim = "UPDATE orders SET begun = ?, operation = ? WHERE id = ? AND begun IS NULL AND ended IS NULL"
    if not db.execute(claim, (operation.started, operation.id, order.id)).rowcount:
        raise NotReady(f"order {order.id} is not pending any more")
    _write_lines(db, order, "begun", actor=actor, now=operation.started)


def end_with(db: sqlite3.Connection, operation: Operation, entries: Sequence[Entry], *, now: str) -> None:
    """The operation has ended with these lines of history, and so have the orders that it carried out."""
    failed = [entry for entry in entries if not entry.outcome.startswith("done")]
    outcome = Outcome.FAILED if failed else Outcome.DONE
    reason = "; ".join(dict.fromkeys(entry.detail or entry.outcome for entry in failed))
    lines = tuple(dict.fromkeys(line for entry in failed for line in entry.evidence))
    for row in db.execute("SELECT * FROM orders WHERE operation = ? AND ended IS NULL", (operation.id,)).fetchall():
        _close(db, rows.order(row), outcome, reason, lines, now=now)


def _end(db: sqlite3.Connection, order: Order, outcome: Outcome, note: str, evidence: Sequence[str], *, actor: str, now: str) -> Order:
    if order.operation is None and outcome is not Outcome.DONE:
        _write_lines(db, order, outcome, note, actor=actor, now=now)
    return _close(db, order, outcome, note, evidence, now=now)


def _close(db: sqlite3.Connection, order: Order, outcome: Outcome, note: str, evidence: Sequence[str], *, now: str) -> Order:
    values = (now, outcome, note, json.dumps(attempts.bounded(evidence)), order.id)
    db.execute("UPDATE orders SET ended = ?, outcome = ?, note = ?, evidence = ? WHERE id = ?", values)
    newest = "SELECT id FROM orders WHERE ended IS NOT NULL ORDER BY id DESC LIMIT ?"
    db.execute(f"DELETE FROM orders WHERE ended IS NOT NULL AND id NOT IN ({newest})", (KEPT,))  # noqa: S608  (constants)
    return replace(order, ended=now, outcome=outcome, note=note, evidence=attempts.bounded(evidence))


def _write_lines(db: sqlite3.Connection, order: Order, word: str, note: str = "", *, actor: str, now: str) -> None:
    detail = ": ".join(filter(None, [order.at, note]))
    for target in order.targets:
        append(db, _line(order, target, word, detail, actor=actor, now=now))


def _line(order: Order, target: Target, word: str, detail: str, *, actor: str, now: str) -> Entry:
    return Entry(now, actor, order.action, target.workload, target.revision, word, detail)
