"""`agent status` for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kelvin_provision.cli.render.orders import describe
from kelvin_provision.naming import counted, listed
from kelvin_provision.quantity import format_bytes, format_rate, format_si
from kelvin_provision.queries.retries import next_try, seconds_until
from kelvin_provision.timestamps import local
from kelvin_provision.wait_reason import describe_with_name

if TYPE_CHECKING:
    from kelvin_provision.ledger.model import Revision
    from kelvin_provision.queries.agent import AgentStatus, Budget

MOST_ORDERS = 10


def text(status: AgentStatus, *, whole: bool = False) -> str:
    """`whole`: every name, in place of the first ones and their number."""
    work = status.work
    lines = [
        ("Agent", _process(status.process)),
        ("Service", "installed" if status.service else "not installed: it does not survive a reboot (kelvin-provision agent install)"),
        ("Work", f"{work['doing']}, since {local(work['since'])}" if work else "nothing"),
        *(("", _task(task)) for task in (work or {}).get("tasks", ())),
        ("Pending", (", ".join(status.pending) if whole else counted(status.pending, "workload")) or "nothing"),
        *(("", line) for line in _waits(status, whole=whole)),
        *([("Budget", _budget(status.budget))] if status.budget else ()),
        *(("Orders" if number == 0 else "", line) for number, line in enumerate(_orders(status, whole=whole))),
        ("Log", status.log),
    ]
    return "".join(f"{f'{name}:' if name else '':9}{value}\n" for name, value in lines)


def _process(process: Mapping[str, Any] | None) -> str:
    return f"alive, pid {process['pid']}, since {local(process['since'])}" if process else "not running; `workloads deploy` starts one"


def _waits(status: AgentStatus, *, whole: bool) -> list[str]:
    """A sentence for each; those that wait for the same have one together."""
    together: dict[str, list[Revision]] = {}
    for revision in status.waiting:
        key = f"{revision.workload if whole else ''}/{revision.cause}/{revision.waiting is None}"
        together.setdefault(key, []).append(revision)
    return [_waiting(revisions, status) for revisions in together.values()]


def _waiting(revisions: Sequence[Revision], status: AgentStatus) -> str:
    first, names = revisions[0], [revision.workload for revision in revisions]
    time = min((status.next_tries[name] for name in names if name in status.next_tries), default=None)
    again = "" if time is None else f"; {next_try(seconds_until(time))}"
    if len(names) > 1:
        return f"{len(names)} wait: {first.cause}{again} ({listed(names)})"
    if first.waiting:
        return describe_with_name(first.workload, first.waiting) + again
    return f"{first.workload} waits: {first.failure}"


def _orders(status: AgentStatus, *, whole: bool) -> list[str]:
    shown = status.orders if whole else status.orders[:MOST_ORDERS]
    more = len(status.orders) - len(shown)
    return [*map(describe, shown), *([f"and {more} more; -v shows them"] if more else [])]


def _budget(budget: Budget) -> str:
    return f"{format_si(budget.used)} of {format_si(budget.limit)} used today"


def _task(task: Mapping[str, Any]) -> str:
    words = f"{task['verb']} {task['name']}"
    if task["total"]:
        words += f": {format_bytes(task['done'])} of {format_bytes(task['total'])}"
        words += f", {100 * task['done'] // task['total']}%"
    return f"{words}, {format_rate(task['rate'])}" if task["rate"] else words
