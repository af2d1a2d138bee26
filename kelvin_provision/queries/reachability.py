"""Whether a workload has reached the awaited state, and whether it still can. Pure.

`downloading` and `ready` are states of the staged version. A version that has passed them counts as having been in them, so that a short
state is not missed. All other states are those of the workload, as in `list`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from kelvin_provision.ledger.model.workloads import Workload
from kelvin_provision.spec.enums import State
from kelvin_provision.status import derive, of_staged

OF_STAGED = frozenset({State.DOWNLOADING, State.READY})


class Verdict(StrEnum):
    REACHED = "reached"
    NOT_YET = "not yet"
    NEVER = "never"
    NOTHING_STAGED = "nothing staged"


@dataclass(frozen=True)
class Judgement:
    """`reason` says why the state cannot be reached any more."""

    verdict: Verdict
    reason: str = ""


def judge(workload: Workload, target: State, seen_staged: Collection[int]) -> Judgement:
    """`seen_staged` are revisions that were staged at an earlier look of this wait."""
    return _of_staged(workload, target, seen_staged) if target in OF_STAGED else _of_workload(workload, target)


def _of_staged(workload: Workload, target: State, seen_staged: Collection[int]) -> Judgement:
    staged, running = workload.staged, workload.running
    if staged is None or not staged.spec.method.staged:
        if running and running.number in seen_staged:
            return Judgement(Verdict.REACHED)
        return Judgement(Verdict.NEVER, "its staged version was removed") if seen_staged else Judgement(Verdict.NOTHING_STAGED)
    state = of_staged(staged.slot).state
    if state is State.FAILED:
        return Judgement(Verdict.NEVER, f"version {staged.spec.app_version} failed: {staged.cause or 'no reason was recorded'}")
    return Judgement(Verdict.REACHED if state is target or state is State.READY else Verdict.NOT_YET)


def _of_workload(workload: Workload, target: State) -> Judgement:
    staged = workload.staged
    failed = staged if staged and staged.slot.failed else None
    if target is State.FAILED and failed:
        return Judgement(Verdict.REACHED)
    if target in {State.RUNNING, State.DEPLOYING} and failed and failed.spec.method.instantly_apply and workload.operation is None:
        # An older version that still runs does not count.
        return Judgement(Verdict.NEVER, failed.cause or f"version {failed.spec.app_version} failed")
    if target is State.RUNNING and staged and staged.spec.method.instantly_apply and staged.in_motion:
        return Judgement(Verdict.NOT_YET)  # an older version that still runs does not count here either
    if target is State.STAGED and workload.running:
        return Judgement(Verdict.NEVER, "a version of it is on the cluster already")
    return Judgement(Verdict.REACHED if derive(workload.situation).state is target else Verdict.NOT_YET)
