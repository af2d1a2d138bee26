"""`agent status` for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kelvin_provision.cli.render.orders import describe
from kelvin_provision.quantity import format_bytes, format_rate, format_si
from kelvin_provision.queries.retries import next_try, seconds_until
from kelvin_provision.timestamps import local
from kelvin_provision.wait_reason import describe_with_name

if TYPE_CHECKING:
    from kelvin_provision.ledger.model import Revision
    from kelvin_provision.queries.agent import AgentStatus, Budget


def text(status: AgentStatus) -> str:
    process, work = status.process, status.work
    lines = [
        (
            "Agent",
            f"alive, pid {process['pid']}, since {local(process['since'])}" if process else "not running; `workloads deploy` starts one",
        ),
        ("Service", "installed" if status.service else "not installed: it does not survive a reboot (kelvin-provision agent install)"),
        ("Work", f"{work['doing']}, since {local(work['since'])}" if work else "nothing"),
        *(("", _task(task)) for task in (work or {}).get("tasks", ())),
        ("Pending", ", ".join(status.pending) or "nothing"),
        *(("", _waiting(revision, status)) for revision in status.waiting),
        *([("Budget", _budget(status.budget))] if status.budget else ()),
        *(("Orders" if number == 0 else "", describe(order)) for number, order in enumerate(status.orders)),
        ("Log", status.log),
    ]
    return "".join(f"{f'{name}:' if name else '':9}{value}\n" for name, value in lines)


def _process(process: Mapping[str, Any] | None) -> str:
    return f"alive, pid {process['pid']}, since {local(process['since'])}" if process else "not running; `workloads deploy` starts one"


def _waiting(revision: Revision, status: AgentStatus) -> str:
    if revision.waiting:
        time = status.next_tries.get(revision.workload)
        return describe_with_name(revision.workload, revision.waiting) + ("" if time is None else f"; {next_try(seconds_until(time))}")
    return f"{revision.workload} waits: {revision.failure}"


def _budget(budget: Budget) -> str:
    return f"{format_si(budget.used)} of {format_si(budget.limit)} used today"


def _task(task: Mapping[str, Any]) -> str:
    words = f"{task['verb']} {task['name']}"
    if task["total"]:
        words += f": {format_bytes(task['done'])} of {format_bytes(task['total'])}"
        words += f", {100 * task['done'] // task['total']}%"
    return f"{words}, {format_rate(task['rate'])}" if task["rate"] else words
