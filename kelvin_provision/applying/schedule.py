"""Scheduled applies: whether the request makes sense, and what the agent decides at its clock. Pure.

The clock of such a box cannot be trusted: without a battery it starts in 1970 and is corrected once there is a network. So nothing
begins before the clock shows its time, a time that was missed is not made up for, and a clock that went back only delays.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from kelvin_provision import timestamps
from kelvin_provision.applying import gate
from kelvin_provision.errors import ClockBehind, OutsideWindow, UsageRefused
from kelvin_provision.ledger.model.orders import Order
from kelvin_provision.ledger.model.workloads import Workload
from kelvin_provision.settings.window import Window


class Timing(StrEnum):
    EARLY = "early"
    DUE = "due"
    MISSED = "missed"


def timing(order: Order, now: datetime, grace: float) -> Timing:
    """Due from its time on, missed after `grace` seconds. Without a time it is due."""
    if order.at is None:
        return Timing.DUE
    late = now - timestamps.parse(order.at)
    if late < timedelta(0):
        return Timing.EARLY
    return Timing.DUE if late <= timedelta(seconds=grace) else Timing.MISSED


def refuse_wrong_clock(workloads: Sequence[Workload], now: datetime) -> None:
    """Raise ClockBehind when something was staged later than now: with such a clock a time means nothing."""
    for workload in workloads:
        if workload.staged and timestamps.parse(workload.staged.created) > now:
            words = f"the clock of this box shows {timestamps.of_clock(now)}, and {workload.name} was staged at {workload.staged.created}"
            raise ClockBehind(words)


def refuse_what_applies_itself(workloads: Sequence[Workload]) -> None:
    """Raise UsageRefused for workloads with instant apply: the agent would not wait for the time."""
    own = [workload.name for workload in workloads if workload.staged and workload.staged.spec.method.instantly_apply]
    if own:
        names = ", ".join(own)
        hint = "deploy it with --deployment-type staged-only, then apply --at"
        raise UsageRefused(f"{names}: applied by the agent as soon as it is ready, so a time has no effect", hint=hint)


def refuse_closed(at: datetime, window: Window | None, names: Sequence[str]) -> None:
    """Raise OutsideWindow if the window is closed at that time."""
    closed = gate.closed(window, at, names)
    if closed:
        raise OutsideWindow(
            f"{timestamps.of_clock(at)} cannot be the time of an apply: {closed}", hint="choose a time in the window, or add --force"
        )
