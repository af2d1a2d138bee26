"""Hold and release: a held workload is not applied. Changes only the ledger, so it works during another change, too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kelvin_provision.context import Context
from kelvin_provision.errors import UsageRefused
from kelvin_provision.ledger import holds
from kelvin_provision.observation import Hold


@dataclass(frozen=True)
class HoldResult:
    names: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class ReleaseResult:
    """The released hold by workload, None where there was none. `remaining` are holds that workloads place on themselves."""

    released: tuple[tuple[str, Hold | None], ...]
    remaining: tuple[tuple[str, Hold], ...] = ()


def hold(ctx: Context, names: Sequence[str], reason: str) -> HoldResult:
    """Raises UsageRefused without a reason, WorkloadUnknown."""
    text = " ".join(reason.split())
    if not text:
        raise UsageRefused("a hold needs a reason, for others to read", hint="--reason TEXT")
    workloads = holds.hold(ctx.ledger, names, text, actor=ctx.actor)
    return HoldResult(tuple(workload.name for workload in workloads), text)


def release(ctx: Context, names: Sequence[str]) -> ReleaseResult:
    """Raises WorkloadUnknown. Holds that a workload places on itself stay."""
    workloads = holds.release(ctx.ledger, names, actor=ctx.actor)
    remaining = tuple((workload.name, hold) for workload in ctx.ledger.workloads(names) for hold in workload.holds)
    return ReleaseResult(tuple((workload.name, workload.held) for workload in workloads), remaining)
