"""Workloads and orders as a page says them: words beside shapes, never colours alone. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kelvin_provision import timestamps
from kelvin_provision.api.ui.strings.texts import Texts, deferred
from kelvin_provision.ledger.model.operations import Ending
from kelvin_provision.ledger.model.orders import Order, Outcome
from kelvin_provision.queries.items import NOT_RUNNING, StagedItem, WorkloadItem, plan_of, shown_state
from kelvin_provision.spec.enums import Method, State
from kelvin_provision.status import RehearsalOutcome, Trouble, Verb

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

CHANGES = {"activate": Verb.APPLY, "undo": Verb.ROLLBACK, "stop": Verb.STOP, "start": Verb.START, "rehearse": Verb.REHEARSE}
TITLES = {
    Verb.APPLY: deferred("Activate"),
    Verb.ROLLBACK: deferred("Undo"),
    Verb.STOP: deferred("Stop"),
    Verb.START: deferred("Start"),
    Verb.DEPLOY: deferred("Deploy"),
    Verb.UNDEPLOY: deferred("Undeploy"),
    Verb.HOLD: deferred("Hold"),
    Verb.RELEASE: deferred("Release"),
    Verb.PRUNE: deferred("Prune"),
    Verb.REHEARSE: deferred("Rehearse"),
}
"""What is ordered, as buttons and titles say it."""
STATES: Mapping[str, str] = {
    State.PENDING_DEPLOY: deferred("Pending for deploy"),
    State.PENDING_APPLY: deferred("Pending apply"),
    State.PENDING_START: deferred("Pending start"),
    State.PENDING_STOP: deferred("Pending stop"),
    State.RECEIVED: deferred("Received"),
    State.DOWNLOADING: deferred("Downloading"),
    State.READY: deferred("Ready"),
    State.STAGED: deferred("Staged"),
    State.DEPLOYING: deferred("Deploying"),
    State.STARTING: deferred("Starting"),
    State.STOPPING: deferred("Stopping"),
    State.RUNNING: deferred("Running"),
    State.STOPPED: deferred("Stopped"),
    State.FAILED: deferred("Failed"),
    State.UNREACHABLE: deferred("Unreachable"),
    NOT_RUNNING: deferred("Not running"),
    Trouble.STAGING_FAILED: deferred("Staging failed"),
    Trouble.APPLY_FAILED: deferred("Apply failed"),
    Trouble.REFUSED: deferred("Refused"),
    Trouble.ROLLED_BACK: deferred("Rolled back"),
    Trouble.REVOKED: deferred("Revoked"),
}
"""The words of states: in English those of the platform."""
METHODS = {
    Method.STAGED: deferred("Its images are downloaded; it waits for an activation."),
    Method.INSTANT: deferred("Its images are downloaded, then it is activated by itself."),
    Method.STANDARD: deferred("It is activated at once; the cluster downloads its images."),
}

SEEN = {
    "shown": deferred("Not imported yet"),
    "imported": deferred("Imported"),
    "known": deferred("Imported before"),
    "waits": deferred("Waits for the stick"),
    "refused": deferred("Refused"),
}
"""What became of a bundle on a stick that has arrived."""


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


def sign_of(_: Texts, item: WorkloadItem) -> Sign:
    return Sign(_KINDS.get(item.status.state, "busy"), _(STATES[shown_state(item)]))


def card(_: Texts, item: WorkloadItem, percent: int | None = None) -> Card:
    staged, version = item.staged, item.app_version
    notes = tuple(_short(timestamps.with_local_times(text)) for text in item.status.warnings)
    if staged is None:
        return Card(item.name, item.title, sign_of(_, item), version, notes=notes)
    old = "" if item.status.state is State.STAGED or version == staged.app_version else version
    return Card(
        item.name, item.title, sign_of(_, item), old, staged.app_version, plan_sign(_, staged, percent), percent, notes, staged.ready
    )


def plan_sign(_: Texts, staged: StagedItem, percent: int | None) -> Sign:
    """How far the staged version is, and when it is applied."""
    word = _(STATES[plan_of(staged)])
    if percent is not None and staged.status.state is State.DOWNLOADING:
        word = _("Downloading {percent}%", percent=percent)
    text = f"{word}, {timestamps.local_minute(staged.apply_at)}" if staged.apply_at else word
    kind = _KINDS.get(staged.status.state, "busy")
    return Sign("warn" if staged.trouble is Trouble.ROLLED_BACK else kind, text)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_NOTE else f"{text[:_LONGEST_NOTE]} …"


# --- orders ---------------------------------------------------------------------------------------

_ENDED = {
    Outcome.DONE: Sign("ok", deferred("Done")),
    Outcome.FAILED: Sign("bad", deferred("Failed")),
    Outcome.CANCELLED: Sign("idle", deferred("Cancelled")),
    Outcome.MISSED: Sign("warn", deferred("Missed")),
}
_REHEARSALS = {
    RehearsalOutcome.OK: Sign("ok", deferred("Rehearsed: it came up")),
    RehearsalOutcome.FAILED: Sign("bad", deferred("Rehearsed: it failed")),
}
_UNPROVEN = Sign("warn", deferred("A rehearsal was not possible"))
_DONE = {
    Verb.APPLY: deferred("Running"),
    Verb.ROLLBACK: deferred("Undone"),
    Verb.STOP: deferred("Stopped"),
    Verb.START: deferred("Running"),
}
_FAILED: Mapping[Ending, Sign] = {
    Ending.UNDONE: Sign("warn", deferred("Undone")),
    Ending.UNDO_FAILED: Sign("bad", deferred("Failed, and what ran before is not back")),
    Ending.LEFT: Sign("bad", deferred("Failed, and left as it is")),
}


@dataclass(frozen=True)
class Course:
    """How an order goes beside what it says itself: whether it is being undone, and how it ended if it failed."""

    undoing: bool = False
    ending: Ending | None = None


@dataclass(frozen=True)
class Step:
    """`at` is RFC 3339 in UTC, or empty. `ours`: the text is in the language of the page, not from below."""

    sign: Sign
    text: str = ""
    at: str = ""
    ours: bool = True


def rehearsal_sign(_: Texts, outcome: RehearsalOutcome) -> Sign:
    return _said(_, _REHEARSALS.get(outcome, _UNPROVEN))


def title_of(_: Texts, order: Order) -> str:
    what = _("Remove the staged version") if order.verb is Verb.UNDEPLOY and order.of_staged else _(TITLES[order.verb])
    return ": ".join(filter(None, [what, ", ".join(order.names)]))


def headline(_: Texts, order: Order, states: Mapping[str, State], course: Course) -> Sign:
    """How the order is now, in a word or two. An apply or start that is done is shown as running only while all of its workloads run.

    `states` are those of its workloads. A list of past orders gives none: there, it is done.
    """
    if course.ending:
        return _said(_, _FAILED[course.ending])
    if order.outcome is Outcome.FAILED and not order.begun:
        return Sign("bad", _("Not done"))
    if order.outcome:
        runs = order.verb not in {Verb.APPLY, Verb.START} or all(states.get(name) is State.RUNNING for name in order.names)
        done = order.outcome is Outcome.DONE and order.verb in _DONE and runs
        return Sign("ok", _(_DONE[order.verb])) if done else outcome(_, order.outcome)
    if order.begun:
        return Sign("busy", _("It failed; what ran before is brought back") if course.undoing else _("Under way"))
    return Sign("busy", _("Waits until {time}", time=timestamps.local_minute(order.at)) if order.at else _("Waiting"))


def outcome(_: Texts, value: Outcome) -> Sign:
    return _said(_, _ENDED[value])


def _said(_: Texts, sign: Sign) -> Sign:
    return Sign(sign.kind, _(sign.word))


def steps(_: Texts, order: Order, cards: Sequence[Card]) -> tuple[Step, ...]:
    asked = Step(Sign("ok", _("Ordered")), _("by {user}", user=order.actor), order.asked)
    note = timestamps.with_local_times(order.note)
    why = "" if order.outcome is Outcome.FAILED else note  # the headline has it
    ended = Step(outcome(_, order.outcome), why, order.ended or "", ours=False) if order.outcome else None
    if order.begun:
        begun = Step(Sign("ok", _("Begun")), "", order.begun)
    elif ended:
        return asked, ended
    else:
        return asked, Step(Sign("busy", _("Not begun yet")), note or _("the agent looks twice a second"), ours=not note)
    under_way = tuple(Step(each.sign, f"{each.title} {each.old or each.new}") for each in cards)
    return (asked, begun, ended) if ended else (asked, begun, *under_way)
