"""Hooks around an apply: `pre-apply` before anything is touched, then exactly one of `post-apply` and `on-failure`.

That promise has to outlive us: `pre-apply` may have stopped a machine. So before it is run, the ledger notes that an ending is owed, and
whoever comes after a crash, once the apply itself is finished or undone, runs the ending that fits. Only the ending may be run twice
(a crash in the middle of it), never `pre-apply` without an ending between; both are told in `interrupted`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from kelvin_provision.cluster.plan import Op, Plan
from kelvin_provision.errors import Interrupted, ProvisionError
from kelvin_provision.events import Note, Progress
from kelvin_provision.ledger import journal
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model import Entry, Revision, Workload

OWED = "hooks.owed"
SCHEMA = 1
PRE, POST, FAILURE = "pre-apply", "post-apply", "on-failure"
Document = Mapping[str, Any]


class Hooks(Protocol):
    """The scripts of the site."""

    def any(self) -> bool:
        """Whether there is one for any event."""
        ...

    def inspect(self) -> tuple[int, Sequence[ProvisionError]]:
        """How many there are, and why some would not be run; none is."""
        ...

    def run(self, event: str, document: Document, progress: Progress, stop: Callable[[], bool]) -> None:
        """All of an event. Raises HookRefused, HookFailed, HookTimeout, Interrupted."""
        ...


class NoHooks:
    """Where there are none."""

    def any(self) -> bool:
        """None."""
        return False

    def inspect(self) -> tuple[int, Sequence[ProvisionError]]:
        """None, and none refused."""
        return 0, ()

    def run(self, event: str, document: Document, progress: Progress, stop: Callable[[], bool]) -> None:
        """Nothing."""


def document(found: Sequence[Workload], plan: Plan, who: str) -> dict[str, Any]:
    """What a hook reads on its standard input: names, versions and what changes. No object, no configuration, so no secret."""
    changes = [change for change in plan.changes if change.op is not Op.KEEP]
    return {
        "schema": SCHEMA,
        "event": PRE,
        "who": who,
        "interrupted": False,
        "workloads": [
            {"name": one.name} | _version(one.staged) | {"before": _version(one.running) if one.running else None}
            for one in found
            if one.staged
        ],
        "changes": [{"workload": one.workload, "object": one.object, "op": one.op.value, "why": one.why} for one in changes],
        "notes": list(plan.notes),
        "error": None,
    }


def _version(revision: Revision) -> dict[str, Any]:
    spec = revision.spec
    return {"app_name": spec.app_name, "app_version": spec.app_version, "revision": revision.number, "digest": revision.digest}


def around(
    work: Callable[[], None], about: Document, *, hooks: Hooks, ledger: Ledger, progress: Progress, stop: Callable[[], bool]
) -> tuple[str, ...]:
    """Do the work between its hooks; what went wrong with the ending, in words. Raises as the work, and as `Hooks.run` of pre-apply."""
    if not hooks.any():
        work()
        return ()
    ledger.remember(OWED, json.dumps(about))
    try:
        _before(about, hooks, ledger, progress, stop)
        work()
    except ProvisionError as error:
        error.evidence = (*error.evidence, *_end(FAILURE, about, error, hooks=hooks, ledger=ledger, progress=progress))
        raise
    return _end(POST, about, None, hooks=hooks, ledger=ledger, progress=progress)


def _before(about: Document, hooks: Hooks, ledger: Ledger, progress: Progress, stop: Callable[[], bool]) -> None:
    try:
        hooks.run(PRE, about, progress, stop)
    except ProvisionError as error:
        if not isinstance(error, Interrupted):
            _record(ledger, PRE, about, error)
        raise type(error)(f"{error}; nothing was touched", hint=error.hint, evidence=error.evidence) from error


def _end(
    event: str,
    about: Document,
    cause: ProvisionError | None,
    *,
    hooks: Hooks,
    ledger: Ledger,
    progress: Progress,
    interrupted: bool = False,
) -> tuple[str, ...]:
    """Run what is owed and forget that it was. Its own failure changes nothing any more: it is told and written down."""
    told = {"code": cause.code, "message": str(cause)} if cause else None
    warnings: tuple[str, ...] = ()
    try:
        hooks.run(event, {**about, "event": event, "interrupted": interrupted, "error": told}, progress, lambda: False)
    except ProvisionError as error:
        warnings = (f"{event}: {error}", *error.evidence)
        progress(Note(warnings[0]))
        with suppress(ProvisionError):
            _record(ledger, event, about, error)
    with suppress(ProvisionError):  # on a full disk it is run once more, by the next command
        ledger.remember(OWED, "")
    return warnings


def _record(ledger: Ledger, event: str, about: Document, error: ProvisionError) -> None:
    for one in about["workloads"]:
        journal.record(ledger, Entry(ledger.clock(), about["who"], f"hook {event}", one["name"], one["revision"], "failed", str(error)))


def owed(ledger: Ledger) -> bool:
    """Whether a killed apply has left its hooks without an ending."""
    return bool(ledger.fact(OWED))


def settle(hooks: Callable[[], Hooks], ledger: Ledger, progress: Progress) -> tuple[str, ...]:
    """Run the ending that a killed apply owes, once the apply itself is finished or undone; says what it did."""
    found = ledger.fact(OWED)
    if not found:
        return ()
    about: Document = json.loads(found)
    running = {one.name: one.running.number for one in ledger.workloads() if one.running}
    up = all(running.get(one["name"]) == one["revision"] for one in about["workloads"])
    cause = None if up else Interrupted("the command was killed; what ran before runs")
    event, names = POST if up else FAILURE, ", ".join(one["name"] for one in about["workloads"])
    said = f"the hooks of an interrupted apply of {names} were ended with {event}"
    progress(Note(said))
    warnings = _end(event, about, cause, hooks=hooks(), ledger=ledger, progress=progress, interrupted=True)
    return (said, *warnings)
