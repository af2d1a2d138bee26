"""Is a workload in the state that somebody waits for, and can it still get there? Pure.

`downloading` and `ready` are of the staged version, and a version that is past them has been there: what is quick must not
be missed. Every other state is the workload's own, as `list` shows it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from kelvin_provision.ledger.model import Workload
from kelvin_provision.spec.enums import State
from kelvin_provision.status import derive, of_staged

OF_STAGED = frozenset({State.DOWNLOADING, State.READY})


class Verdict(StrEnum):
    """Four answers."""

    THERE = "there"
    NOT_YET = "not yet"
    NEVER = "never"
    NOTHING_STAGED = "nothing staged"


@dataclass(frozen=True)
class Judgement:
    """`why` says why it can't be reached any more."""

    verdict: Verdict
    why: str = ""


def judge(workload: Workload, wanted: State, known: Collection[int]) -> Judgement:
    """`known` are the numbers of the versions that were staged at an earlier look of the same wait."""
    return _of_staged(workload, wanted, known) if wanted in OF_STAGED else _of_itself(workload, wanted)


def _of_staged(workload: Workload, wanted: State, known: Collection[int]) -> Judgement:
    staged, running = workload.staged, workload.running
    if staged is None or not staged.spec.method.staged:
        if running and running.number in known:
            return Judgement(Verdict.THERE)
        return Judgement(Verdict.NEVER, "its staged version was removed") if known else Judgement(Verdict.NOTHING_STAGED)
    state = of_staged(staged.slot).state
    if state is State.FAILED:
        return Judgement(Verdict.NEVER, f"version {staged.spec.app_version} failed: {staged.failure or 'no reason was recorded'}")
    return Judgement(Verdict.THERE if state is wanted or state is State.READY else Verdict.NOT_YET)


def _of_itself(workload: Workload, wanted: State) -> Judgement:
    staged = workload.staged
    failed = staged if staged and staged.blocked else None
    if wanted is State.FAILED and failed:
        return Judgement(Verdict.THERE)
    if wanted in {State.RUNNING, State.DEPLOYING} and failed and failed.spec.method.instantly_apply and workload.doing is None:
        # That an older version still runs is not what was waited for.
        return Judgement(Verdict.NEVER, failed.failure or f"version {failed.spec.app_version} failed")
    if wanted is State.STAGED and workload.running:
        return Judgement(Verdict.NEVER, "a version of it is on the cluster already")
    return Judgement(Verdict.THERE if derive(workload.situation).state is wanted else Verdict.NOT_YET)
