"""Workloads and orders as a page says them: words beside shapes, never colours alone. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kelvin_provision import timestamps
from kelvin_provision.ledger.model import Order, Outcome
from kelvin_provision.queries.items import StagedItem, WorkloadItem, plan_of, shown_state
from kelvin_provision.spec.enums import State
from kelvin_provision.status import Trouble, Verb

_KINDS = {
    State.RUNNING: "ok",
    State.READY: "ready",
    State.STAGED: "idle",
    State.STOPPED: "idle",
    State.FAILED: "bad",
    State.UNREACHABLE: "warn",
}
"""The shape beside a state; everything else is under way."""
_LONGEST_NOTE = 240

CHANGES = {"activate": Verb.APPLY, "undo": Verb.ROLLBACK, "stop": Verb.STOP, "start": Verb.START}
TITLES = {Verb.APPLY: "Activate", Verb.ROLLBACK: "Undo", Verb.STOP: "Stop", Verb.START: "Start"}
"""The buttons that lead to an order."""


@dataclass(frozen=True)
class Sign:
    """A shape and its word."""

    kind: str
    word: str


@dataclass(frozen=True)
class Card:
    """One workload in the list. `old` is empty where the version stays or nothing runs; `new` where nothing is staged."""

    name: str
    title: str
    sign: Sign
    old: str
    new: str = ""
    plan: Sign | None = None
    percent: int | None = None
    notes: tuple[str, ...] = ()
    ready: bool = False


def sign_of(item: WorkloadItem) -> Sign:
    return Sign(_KINDS.get(item.status.state, "busy"), shown_state(item).replace("_", " ").capitalize())


def card(item: WorkloadItem, percent: int | None = None) -> Card:
    staged, version = item.staged, item.app_version
    notes = tuple(_short(timestamps.with_local_times(text)) for text in item.status.warnings)
    if staged is None:
        return Card(item.name, item.title, sign_of(item), version, notes=notes)
    old = "" if item.status.state is State.STAGED or version == staged.app_version else version
    return Card(item.name, item.title, sign_of(item), old, staged.app_version, plan_sign(staged, percent), percent, notes, staged.ready)


def plan_sign(staged: StagedItem, percent: int | None) -> Sign:
    """How far the staged version is, and when it is applied."""
    at = timestamps.local_minute(staged.apply_at) if staged.apply_at else ""
    text = plan_of(staged, "" if percent is None else f"downloading {percent}%", time=at)
    kind = _KINDS.get(staged.status.state, "busy")
    return Sign("warn" if staged.trouble is Trouble.ROLLED_BACK else kind, text.capitalize())


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_NOTE else f"{text[:_LONGEST_NOTE]} …"


# --- orders ---------------------------------------------------------------------------------------

_ENDED = {
    Outcome.DONE: Sign("ok", "Done"),
    Outcome.FAILED: Sign("bad", "Failed"),
    Outcome.CANCELLED: Sign("idle", "Cancelled"),
    Outcome.MISSED: Sign("warn", "Missed"),
}
_DONE = {Verb.APPLY: "Running", Verb.ROLLBACK: "Undone", Verb.STOP: "Stopped", Verb.START: "Running"}


@dataclass(frozen=True)
class Step:
    """`at` is RFC 3339 in UTC, or empty."""

    sign: Sign
    text: str = ""
    at: str = ""


def title_of(order: Order) -> str:
    return f"{TITLES.get(order.verb, order.verb.value.capitalize())}: {', '.join(order.names)}"


def headline(order: Order, states: Mapping[str, State]) -> Sign:
    """How the order is now, in a word or two. An apply or start that is done is shown as running only while all of its workloads run."""
    if order.outcome:
        runs = order.verb not in {Verb.APPLY, Verb.START} or all(states.get(name) is State.RUNNING for name in order.names)
        return Sign("ok", _DONE[order.verb]) if order.outcome is Outcome.DONE and order.verb in _DONE and runs else _ENDED[order.outcome]
    return Sign("busy", "Under way" if order.begun else f"Waits until {timestamps.local_minute(order.at)}" if order.at else "Waiting")


def steps(order: Order, cards: Sequence[Card]) -> tuple[Step, ...]:
    asked = Step(Sign("ok", "Ordered"), f"by {order.actor}", order.asked)
    ended = Step(_ENDED[order.outcome], timestamps.with_local_times(order.note), order.ended or "") if order.outcome else None
    if order.begun:
        begun = Step(Sign("ok", "Begun"), "", order.begun)
    elif ended:
        return asked, ended
    else:
        return asked, Step(Sign("busy", "Not begun yet"), timestamps.with_local_times(order.note) or "the agent looks twice a second")
    under_way = tuple(Step(each.sign, f"{each.title} {each.old or each.new}") for each in cards)
    return (asked, begun, ended) if ended else (asked, begun, *under_way)
