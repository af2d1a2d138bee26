"""Whether an apply may begin now: the apply window is open, and no workload is held. Pure.

It is asked before an apply only. A rollback and the undo of a failed apply never are.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from kelvin_provision import timestamps
from kelvin_provision.errors import OutsideWindow, ProvisionError, WorkloadHeld
from kelvin_provision.hints import command
from kelvin_provision.ledger.model.workloads import Workload
from kelvin_provision.naming import MOST_NAMES, counted
from kelvin_provision.observation import Hold
from kelvin_provision.settings.window import Window
from kelvin_provision.wait_reason import WaitKind, WaitReason


def closed(window: Window | None, now: datetime, names: Sequence[str]) -> OutsideWindow | None:
    """The error of a closed window; None if it is open or not set."""
    if window is None or window.is_open(now):
        return None
    opens = window.next_opening(now)
    hint = command("workloads apply", "--at", f"{opens:%H:%M}", names=tuple(names), note="or --force")
    error = OutsideWindow(f"apply.window is {window}: it opens at {timestamps.of_clock(opens)}", hint=hint)
    error.wait_reason = WaitReason(WaitKind.APPLY_WINDOW, str(window), until=timestamps.rfc3339(opens))
    return error


def held(workloads: Sequence[Workload], now: datetime) -> WorkloadHeld | None:
    """The error with all holds of these workloads, as last observed; None without a hold."""
    lines = [f"{workload.name} is {hold}{_age(hold, now)}" for workload in workloads for hold in workload.holds]
    if not lines:
        return None
    names = tuple(workload.name for workload in workloads if workload.holds)
    many = len(lines) > MOST_NAMES
    text = f"{counted(names, 'workload')} are held" if many else "; ".join(lines)
    error = WorkloadHeld(
        text, evidence=lines if many else (), hint=command("workloads show", names=names[:1], note="--force applies it anyway")
    )
    error.wait_reason = WaitReason(WaitKind.HOLD, workloads=names)
    return error


def _age(hold: Hold, now: datetime) -> str:
    """In minutes, hours or days; empty if the clock went back."""
    minutes = int((now - timestamps.parse(hold.since)).total_seconds() // 60) if hold.since else -1
    for length, unit in ((24 * 60, "d"), (60, "h"), (0, "min")):
        if minutes >= length:
            return f" (for {minutes // (length or 1)} {unit})"
    return ""


def obstacle(workloads: Sequence[Workload], window: Window | None, now: datetime) -> ProvisionError | None:
    """The error that prevents an apply now; the window comes first."""
    return closed(window, now, [workload.name for workload in workloads]) or held(workloads, now)
