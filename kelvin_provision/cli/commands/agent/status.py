"""Show whether the agent is alive and what it does."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import SCHEMA, Report
from kelvin_provision.quantity import format_si
from kelvin_provision.wait_reason import describe_with_name

if TYPE_CHECKING:
    from kelvin_provision.context import Context
    from kelvin_provision.ledger.model import Revision


def command(session: Session) -> Report:
    """Show whether the agent is alive and what it does.

    With --json: `agent` (alive, pid, user, since, service, log), `work` (doing, since, updated, tasks with bytes and rate; null when it
    is not alive), `pending` (names), `waiting` (name and cause), `appointed` (what `apply --at` asked for: at, names, who, note),
    `budget` (day, used, limit: bytes of download.budget; null when none is set).
    """
    return status(session)


def status(session: Session) -> Report:
    """From its lock, the ledger, and what it writes about itself."""
    from kelvin_provision.agent import activity, queue
    from kelvin_provision.agent.lifecycle import process
    from kelvin_provision.agent.systemd import service, unit
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.ledger import orders

    with context_of(session) as ctx:
        state_dir = ctx.settings.state_dir
        found = process.alive(state_dir)
        pending, appointed = queue.pending(ctx.ledger.workloads()), [order for order in orders.pending(ctx.ledger) if order.at]
        budget = _budget(ctx)
    work = activity.read(process.now_path(state_dir), found["pid"]) if found and "pid" in found else None
    installed = service.looks_after(service.Systemd.of(os.environ), state_dir)
    log = f"journalctl -u {unit.NAME}" if installed else str(process.log_path(state_dir))
    agent = {"alive": found is not None, **{key: (found or {}).get(key) for key in ("pid", "user", "since")}}
    waiting = [workload.staged for workload in pending if workload.staged and workload.staged.cause]
    document = {
        "schema": SCHEMA,
        "agent": agent | {"service": installed, "log": log},
        "work": {key: value for key, value in work.items() if key != "pid"} if work else None,
        "pending": [one.name for one in pending],
        "waiting": [{"name": revision.workload, "cause": revision.cause} for revision in waiting],
        "appointed": [{"at": one.at, "names": list(one.names), "who": one.actor, "note": one.note} for one in appointed],
        "budget": budget,
    }
    return Report("agent status", document=document, text=_words(document, [_waiting(revision) for revision in waiting]))


def _budget(ctx: Context) -> Mapping[str, Any] | None:
    """What is drawn counts as used: 1/64 of the day's budget more at the most."""
    from kelvin_provision.ledger import traffic
    from kelvin_provision.staging.limits.policy import local_time

    limit = ctx.settings.download.budget
    return {"day": (day := local_time().day), "used": traffic.used(ctx.ledger, day), "limit": limit} if limit else None


def _words(document: Mapping[str, Any], waiting: Sequence[str]) -> str:
    agent, work = document["agent"], document["work"]
    alive = f"alive, pid {agent['pid']}, since {agent['since']}" if agent["alive"] else "not running; `workloads deploy` starts one"
    lines = [
        ("Agent", alive),
        ("Service", "installed" if agent["service"] else "not installed: it does not survive a reboot (kelvin-provision agent install)"),
        ("Work", f"{work['doing']}, since {work['since']}" if work else "nothing"),
        *(("", _task(task)) for task in (work or {}).get("tasks", ())),
        ("Pending", ", ".join(document["pending"]) or "nothing"),
        *(("", sentence) for sentence in waiting),
        *([("Budget", _spent(budget))] if (budget := document["budget"]) else ()),
        *(("Apply" if number == 0 else "", _appointed(one)) for number, one in enumerate(document["appointed"])),
        ("Log", agent["log"]),
    ]
    return "".join(f"{f'{name}:' if name else '':9}{text}\n" for name, text in lines)


def _waiting(revision: Revision) -> str:
    if revision.waiting:
        return describe_with_name(revision.workload, revision.waiting)
    return f"{revision.workload} waits: {revision.failure}"


def _spent(budget: Mapping[str, Any]) -> str:
    return f"{format_si(budget['used'])} of {format_si(budget['limit'])} used today"


def _appointed(one: Mapping[str, Any]) -> str:
    more = f"; waits: {one['note']}" if one["note"] else ""
    return f"{', '.join(one['names'])} at {one['at']}, asked for by {one['who']}{more}"


def _task(task: Mapping[str, Any]) -> str:
    from kelvin_provision.quantity import format_bytes

    words = f"{task['verb']} {task['name']}"
    if task["total"]:
        words += f": {format_bytes(task['done'])} of {format_bytes(task['total'])}"
    return f"{words}, {format_bytes(task['rate'])}/s" if task["rate"] else words
