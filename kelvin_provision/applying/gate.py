"""Whether an apply may begin now: the window of the box is open, and nobody holds the workloads. Pure.

It stands before an apply only. What goes back to an earlier version, the undoing of a failed apply above all, asks nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from kelvin_provision import timestamps
from kelvin_provision.errors import OutsideWindow, ProvisionError, WorkloadHeld
from kelvin_provision.hints import command
from kelvin_provision.ledger.model import Workload
from kelvin_provision.settings.window import Window
from kelvin_provision.status import Hold


def closed(window: Window | None, now: datetime, names: Sequence[str]) -> OutsideWindow | None:
    """The window, unless it is open or there is none."""
    if window is None or window.is_open(now):
        return None
    opens = window.next_opening(now)
    hint = command("workloads apply", "--at", f"{opens:%H:%M}", names=tuple(names), note="or --force")
    return OutsideWindow(f"apply.window is {window}: it opens at {opens:%Y-%m-%d %H:%M}", hint=hint)


def held(found: Sequence[Workload], now: datetime) -> WorkloadHeld | None:
    """All who hold one of these workloads, as it was last seen."""
    lines = [f"{workload.name} is {hold}{_age(hold, now)}" for workload in found for hold in workload.holds]
    if not lines:
        return None
    first = next(workload.name for workload in found if workload.holds)
    return WorkloadHeld("; ".join(lines), hint=command("workloads show", names=(first,), note="--force applies all the same"))


def _age(hold: Hold, now: datetime) -> str:
    """In minutes, hours or days; a clock that went back knows none."""
    minutes = int((now - timestamps.parse(hold.since)).total_seconds() // 60) if hold.since else -1
    for length, unit in ((24 * 60, "d"), (60, "h"), (0, "min")):
        if minutes >= length:
            return f" (for {minutes // (length or 1)} {unit})"
    return ""


def obstacle(found: Sequence[Workload], window: Window | None, now: datetime) -> ProvisionError | None:
    """The first that keeps these from being applied now."""
    return closed(window, now, [workload.name for workload in found]) or held(found, now)
