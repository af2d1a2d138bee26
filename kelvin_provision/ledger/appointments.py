"""Applies at a time, as orders: what the callers of `orders` use until they use that."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from kelvin_provision.ledger import orders
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model import Order, Outcome, Workload
from kelvin_provision.status import Verb


def make(ledger: Ledger, workloads: Sequence[Workload], at: str, *, who: str, forced: bool) -> tuple[str, ...]:
    placed = orders.place(ledger, orders.apply_of(workloads, actor=who, at=at, forced=forced))
    return _names(placed.cancelled)


def cancel(ledger: Ledger, names: Collection[str], *, who: str) -> tuple[str, ...]:
    return _names(orders.cancel_naming(ledger, names, actor=who))


def _names(ended: Sequence[Order]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for order in ended for name in order.names))


def standing(ledger: Ledger) -> tuple[Order, ...]:
    return tuple(order for order in orders.pending(ledger) if order.verb is Verb.APPLY and order.at)


def lapse(ledger: Ledger, *, who: str) -> tuple[str, ...]:
    return _names(orders.cancel_replaced(ledger, actor=who))


def end(ledger: Ledger, order: Order, outcome: str, detail: str, *, who: str) -> None:
    orders.end(ledger, order, Outcome(outcome), detail, actor=who)


def note(ledger: Ledger, order: Order, text: str) -> None:
    orders.note(ledger, order, text)
