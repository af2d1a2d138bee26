"""Hooks around an apply: `pre-apply` before any change, then exactly one of `post-apply` and `on-failure`.

This also holds after a crash, because `pre-apply` may have stopped a machine. So the ledger records, before it runs, that a final hook
is owed; recovery finishes or undoes the apply and then runs the right one. After a crash in the middle of a final hook it runs again;
`pre-apply` never runs twice without a final hook in between. `interrupted` tells hooks about the crash.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from kelvin_provision.cluster.plan import Op, Plan
from kelvin_provision.context import Context
from kelvin_provision.errors import Interrupted, ProvisionError, StateDamaged
from kelvin_provision.events import Note
from kelvin_provision.hooks.protocol import Document
from kelvin_provision.ledger import history, journal
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model.operations import Entry, Phase
from kelvin_provision.ledger.model.workloads import Revision, Workload
from kelvin_provision.ledger.rows.damage import damaged

OWED = "hooks.owed"
SCHEMA = 1
PRE, POST, FAILURE = "pre-apply", "post-apply", "on-failure"


def document(workloads: Sequence[Workload], plan: Plan, actor: str) -> dict[str, Any]:
    """What a hook reads from standard input: names, versions and changes. No objects and no configuration, so no secrets."""
    changes = [change for change in plan.changes if change.op is not Op.KEEP]
    return {
        "schema": SCHEMA,
        "event": PRE,
        "who": actor,
        "interrupted": False,
        "workloads": [
            {"name": workload.name} | _version(workload.staged) | {"before": _version(workload.running) if workload.running else None}
            for workload in workloads
            if workload.staged
        ],
        "changes": [{"workload": change.workload, "object": change.object, "op": change.op.value, "why": change.why} for change in changes],
        "notes": list(plan.notes),
        "error": None,
    }


def _version(revision: Revision) -> dict[str, Any]:
    spec = revision.spec
    return {"app_name": spec.app_name, "app_version": spec.app_version, "revision": revision.number, "digest": revision.digest}


@dataclass(frozen=True)
class _Final:
    """Which final hook runs, and what it receives besides the document."""

    event: str
    cause: ProvisionError | None = None
    interrupted: bool = False


def around(ctx: Context, about: Document, work: Callable[[], None]) -> tuple[str, ...]:
    """Run the work between its hooks; returns the failures of the final hook. Raises as the work, and as `Hooks.run` for pre-apply."""
    if not ctx.hooks.any():
        work()
        return ()
    ctx.ledger.remember(OWED, json.dumps(about))
    try:
        _run_pre_apply(ctx, about)
        work()
    except ProvisionError as error:
        final = _Final(POST) if _is_committed(ctx.ledger) else _Final(FAILURE, error)
        error.evidence = (*error.evidence, *_run_final(ctx, about, final))
        raise
    return _run_final(ctx, about, _Final(POST))


def _is_committed(ledger: Ledger) -> bool:
    """Whether the new version runs and only tidying up is left: an error then is that of a cluster that went away."""
    operation = journal.unfinished(ledger)
    return operation is not None and operation.phase is Phase.FINISHING


def _run_pre_apply(ctx: Context, about: Document) -> None:
    try:
        ctx.hooks.run(PRE, about, ctx.progress, ctx.stop)
    except ProvisionError as error:
        if not isinstance(error, Interrupted):
            _record(ctx, PRE, about, str(error))  # the refusal of the apply has the evidence
        raise type(error)(f"{error}; nothing was changed", hint=error.hint, evidence=error.evidence) from error


def _run_final(ctx: Context, about: Document, final: _Final) -> tuple[str, ...]:
    """Run the final hook that is owed, once. Its failure changes nothing any more: it is reported and recorded."""
    cause = {"code": final.cause.code, "message": str(final.cause)} if final.cause else None
    warnings: tuple[str, ...] = ()
    try:
        payload = {**about, "event": final.event, "interrupted": final.interrupted, "error": cause}
        ctx.hooks.run(final.event, payload, ctx.progress, lambda: False)
    except ProvisionError as error:
        warnings = (f"{final.event}: {error}", *error.evidence)
        ctx.progress(Note(warnings[0]))
        with suppress(ProvisionError):
            _record(ctx, final.event, about, str(error), error.evidence)
    with suppress(ProvisionError):  # on a full disk the record stays, and the next command runs the hook once more
        ctx.ledger.remember(OWED, "")
    return warnings


def _record(ctx: Context, event: str, about: Document, detail: str, evidence: tuple[str, ...] = ()) -> None:
    now = ctx.ledger.clock()
    for workload in about["workloads"]:
        name, number = workload["name"], workload["revision"]
        history.record(ctx.ledger, Entry(now, about["who"], f"hook {event}", name, number, "failed", detail, evidence=evidence))


def owed(ledger: Ledger) -> bool:
    """Whether an apply was killed before its final hook ran."""
    try:
        return bool(ledger.sound_fact(OWED))
    except StateDamaged:
        return True


def _debt(ledger: Ledger) -> Document | None:
    """What the hooks of the killed apply were told. Raises StateDamaged."""
    debt = ledger.sound_fact(OWED)
    if not debt:
        return None
    try:
        about: Document = json.loads(debt)
        known = [(str(workload["name"]), int(workload["revision"])) for workload in about["workloads"]]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise damaged("facts", [OWED], "value") from error
    return about if known else None


@dataclass(frozen=True)
class Settled:
    """What was done, in words, and the workloads whose apply turned out to be finished."""

    reports: tuple[str, ...] = ()
    applied: frozenset[str] = frozenset()


def settle(ctx: Context) -> Settled:
    """Run the final hook that a killed apply owes, after the apply is finished or undone. Returns messages."""
    try:
        about = _debt(ctx.ledger)
    except StateDamaged as error:
        ctx.ledger.remember(OWED, "")
        report = f"the final hook of an interrupted apply was not run, because {error}"
        ctx.progress(Note(report))
        return Settled((report,))
    if about is None:
        return Settled()
    workloads = ctx.ledger.existing([workload["name"] for workload in about["workloads"]])
    running = {name: workload.running.number for name, workload in workloads.items() if workload.running}
    applied = all(running.get(workload["name"]) == workload["revision"] for workload in about["workloads"])
    cause = None if applied else Interrupted("the command was killed; the previous version runs")
    final = _Final(POST if applied else FAILURE, cause, interrupted=True)
    names = ", ".join(workload["name"] for workload in about["workloads"])
    report = f"the hooks of an interrupted apply of {names} were ended with {final.event}"
    ctx.progress(Note(report))
    return Settled((report, *_run_final(ctx, about, final)), frozenset(running) if applied else frozenset())
