"""Changes of orders within a transaction of `orders`, of an operation, or of a request."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import replace

from kelvin_provision.errors import NotReady
from kelvin_provision.ledger import evidence as attempts
from kelvin_provision.ledger.history import append
from kelvin_provision.ledger.model.operations import Entry, Operation
from kelvin_provision.ledger.model.orders import Order, Outcome, Target
from kelvin_provision.ledger.rows import common as rows
from kelvin_provision.status import Verb

KEPT = 1000
"""The number of ended orders that are kept."""


def cancel_all(db: sqlite3.Connection, verb: Verb, names: Collection[str], *, actor: str, now: str, note: str = "") -> tuple[Order, ...]:
    """Cancel the pending orders of this verb that name one of these workloads."""
    orders = [order for order in rows.pending_orders(db, names) if order.verb is verb]
    return tuple(end(db, order, Outcome.CANCELLED, note, (), actor=actor, now=now) for order in orders)


def cancel_moved(
    db: sqlite3.Connection, names: Collection[str] | None, *, actor: str, now: str, besides: Order | None = None
) -> tuple[Order, ...]:
    """Cancel pending orders that are no longer valid: all, or those that name one of these workloads; not the one that is carried out.

    Call it after the slots have changed, in the same transaction.
    """
    orders = [order for order in rows.pending_orders(db, names) if besides is None or order.id != besides.id]
    standing = {order.id for order in rows.standing(db, orders)}
    moved = [order for order in orders if order.id not in standing]
    return tuple(end(db, order, Outcome.CANCELLED, _what_moved(db, order), (), actor=actor, now=now) for order in moved)


def _what_moved(db: sqlite3.Connection, order: Order) -> str:
    return f"{', '.join(order.moved(rows.slots(db, order.names)))} changed since"


def cancel_removed(db: sqlite3.Connection, names: Collection[str], *, actor: str, now: str) -> tuple[Order, ...]:
    """Cancel the pending orders about workloads of these names, which are gone: a new one of that name, with new numbers, is not meant."""
    orders = rows.pending_orders(db, names) if names else []
    gone = {order.id: ", ".join(name for name in order.names if name in names) for order in orders}
    return tuple(end(db, order, Outcome.CANCELLED, f"{gone[order.id]} removed since", (), actor=actor, now=now) for order in orders)


def begin_applies(db: sqlite3.Connection, operation: Operation, *, actor: str) -> None:
    """Begin the pending orders whose revisions are all in this apply, and cancel the others that name its workloads.

    An order for everything leaves out what has failed, or would be refused, since it was placed.
    """
    steps = {step.workload: step.after for step in operation.steps}
    for order in rows.pending_orders(db, steps):
        if order.verb is not Verb.APPLY:
            continue
        missing = [target for target in order.targets if steps.get(target.workload) != target.revision]
        if not missing or (order.everything and all(_left_out(db, target) for target in missing)):
            begin_with(db, order, operation, actor=actor)
        else:
            reason = f"{actor or 'another command'} applied {', '.join(name for name in order.names if name in steps)}"
            _close(db, order, Outcome.CANCELLED, reason, (), now=operation.started)
            for target in order.targets:
                word = "begun" if target.workload in steps else "cancelled"
                append(db, _line(order, target, word, order.at or "", actor=actor, now=operation.started))


def _left_out(db: sqlite3.Connection, target: Target) -> bool:
    state = rows.staging_state(db, target.workload, target.revision or 0)
    return state is not None and state.left_out


def begin_with(db: sqlite3.Connection, order: Order, operation: Operation, *, actor: str) -> None:
    """Begin this order with the operation that carries it out. Raises NotReady when it is not pending any more."""
    claim = "UPDATE orders SET begun = ?, operation = ? WHERE id = ? AND begun IS NULL AND ended IS NULL"
    if not db.execute(claim, (operation.started, operation.id, order.id)).rowcount:
        raise NotReady(f"order {order.id} is not pending any more")
    left_out = _names_left_out(order, operation)
    for target in order.targets:
        word = "left out" if target.workload in left_out else "begun"
        append(db, _line(order, target, word, order.at or "", actor=actor, now=operation.started))


def _names_left_out(order: Order, operation: Operation) -> list[str]:
    names = {step.workload for step in operation.steps}
    return [name for name in order.names if order.everything and name not in names]


def end_with(db: sqlite3.Connection, operation: Operation, entries: Sequence[Entry], *, now: str) -> None:
    """End the orders that the operation carried out; its lines of history decide how."""
    failed = [entry for entry in entries if not entry.outcome.startswith("done")]
    outcome = Outcome.FAILED if failed else Outcome.DONE
    reason = "; ".join(dict.fromkeys(entry.detail or entry.outcome for entry in failed))
    lines = tuple(dict.fromkeys(line for entry in failed for line in entry.evidence))
    for order in carried_out_by(db, operation.id):
        left_out = _names_left_out(order, operation)
        note = "; ".join(filter(None, [reason, f"failed or refused, so left out: {', '.join(left_out)}" if left_out else ""]))
        _close(db, order, outcome, note, lines, now=now)


def carried_out_by(db: sqlite3.Connection, operation: int) -> list[Order]:
    """Its orders that have not ended, those that can be read."""
    begun = db.execute("SELECT * FROM orders WHERE operation = ? AND ended IS NULL", (operation,)).fetchall()
    return list(rows.sound(rows.order, begun))


def fail(db: sqlite3.Connection, operation: int, reason: str, *, now: str) -> None:
    """End the orders of an operation that is given up."""
    for order in carried_out_by(db, operation):
        _close(db, order, Outcome.FAILED, reason, (), now=now)


def end(db: sqlite3.Connection, order: Order, outcome: Outcome, note: str, evidence: Sequence[str], *, actor: str, now: str) -> Order:
    if outcome is not Outcome.DONE:
        write_lines(db, order, outcome, note, actor=actor, now=now)
    return _close(db, order, outcome, note, evidence, now=now)


def _close(db: sqlite3.Connection, order: Order, outcome: Outcome, note: str, evidence: Sequence[str], *, now: str) -> Order:
    values = (now, outcome, note, json.dumps(attempts.bounded(evidence)), order.id)
    db.execute("UPDATE orders SET ended = ?, outcome = ?, note = ?, evidence = ? WHERE id = ?", values)
    newest = "SELECT id FROM orders WHERE ended IS NOT NULL ORDER BY id DESC LIMIT ?"
    db.execute(f"DELETE FROM orders WHERE ended IS NOT NULL AND id NOT IN ({newest})", (KEPT,))  # noqa: S608  (constants)
    return replace(order, ended=now, outcome=outcome, note=note, evidence=attempts.bounded(evidence))


def write_lines(db: sqlite3.Connection, order: Order, word: str, note: str = "", *, actor: str, now: str) -> None:
    detail = ": ".join(filter(None, [order.at, note]))
    for target in order.targets:
        append(db, _line(order, target, word, detail, actor=actor, now=now))


def _line(order: Order, target: Target, word: str, detail: str, *, actor: str, now: str) -> Entry:
    return Entry(now, actor, order.action, target.workload, target.revision if order.of_staged else None, word, detail)
