"""When a download that failed is tried again: from the agent's own report, so that every command says the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from kelvin_provision import timestamps
from kelvin_provision.quantity import format_duration
from kelvin_provision.wait_reason import WaitKind

if TYPE_CHECKING:
    from kelvin_provision.context import Context
    from kelvin_provision.ledger.model.workloads import Revision

AGAIN = "the agent tries again"
_EVERY_TURN = frozenset({WaitKind.REGISTRY_UNREACHABLE, WaitKind.REGISTRY_BUSY, WaitKind.RUNTIME_UNREACHABLE, WaitKind.NO_SPACE})
"""What each turn of the agent tries again; after other errors the pauses grow."""


def agents_work(ctx: Context) -> Mapping[str, Any]:
    """What the living agent reports of itself; empty without one."""
    from kelvin_provision.agent import activity
    from kelvin_provision.agent.lifecycle import process

    alive = process.alive(ctx.settings.state_dir)
    return (activity.read(process.now_path(ctx.settings.state_dir), alive.get("pid")) if alive else None) or {}


def next_tries(ctx: Context, revisions: Iterable[Revision]) -> dict[str, str]:
    """When each of these is tried again (RFC 3339), by workload; of those only that are retried and whose time is known."""
    retried = [revision for revision in revisions if revision.waiting and revision.waiting.is_retry]
    work = agents_work(ctx) if retried else {}
    times = {revision.workload: _time(revision, work) for revision in retried}
    return {name: time for name, time in times.items() if time}


def describe_cause(staged: Revision, time: str | None) -> str:
    """What the revision waits for, or the failure that the agent retries, and when."""
    if staged.waiting is None or not staged.waiting.is_retry:
        return staged.cause or ""
    return f"{staged.cause}; {AGAIN if time is None else next_try(seconds_until(time))}"


def next_try(seconds: int) -> str:
    return f"next try in {format_duration(seconds)}" if seconds else "trying again now"


def seconds_until(time: str) -> int:
    return max(round((timestamps.parse(time) - timestamps.now()).total_seconds()), 0)


def _time(revision: Revision, work: Mapping[str, Any]) -> str | None:
    """Of its own downloads the next one; between two turns that of the next turn; as soon as its own has begun, when that was."""
    references = {str(lock.reference) for lock in revision.locks or ()}
    own = [task["next_try"] for task in work.get("tasks", ()) if task["name"] in references and task.get("next_try")]
    if own or revision.waiting is None or revision.waiting.kind not in _EVERY_TURN:
        return min(own, default=None)
    from kelvin_provision.agent.activity import IDLE, doing  # most commands have no trouble to tell of

    busy_elsewhere = work.get("doing") not in {None, IDLE, doing("staging", [revision.workload])}
    return work.get("next_turn") or (None if busy_elsewhere else work.get("since"))
