"""Wait until workloads reach a state, by reading the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kelvin_provision.errors import Interrupted, NothingStaged, WaitFailed, WaitTimeout, WorkloadUnknown
from kelvin_provision.events import Advanced, Finished, Note, Retrying, Started
from kelvin_provision.hints import command
from kelvin_provision.naming import MOST_NAMES, counted, listed
from kelvin_provision.queries.changes import Look, looks
from kelvin_provision.queries.items import item_of, position
from kelvin_provision.queries.overview import is_downloading, percents
from kelvin_provision.queries.reachability import Judgement, Verdict, judge
from kelvin_provision.queries.retries import describe_cause, next_tries, seconds_until
from kelvin_provision.spec.enums import State

if TYPE_CHECKING:
    from kelvin_provision.context import Context
    from kelvin_provision.ledger.model.workloads import Workload


@dataclass(frozen=True)
class WaitRequest:
    """`timeout` in seconds; None means no timeout."""

    names: tuple[str, ...]
    state: State
    timeout: float | None = None


def wait(ctx: Context, request: WaitRequest) -> Mapping[str, str]:
    """Wait until all are in the state at the same look; returns their positions by name. Changes nothing.

    Raises WorkloadUnknown; NothingStaged and WaitFailed as soon as one cannot reach it any more; WaitTimeout with the positions;
    Interrupted.
    """
    names = [workload.name for workload in ctx.ledger.workloads(request.names)]
    for name in names:
        ctx.progress(Started(name, f"waiting until {request.state.value}:"))
    waiting = _Wait(ctx, request.state, {name: _Waited() for name in names})
    for look in looks(ctx, names, timeout=request.timeout):
        waiting.take(look)
        if all(waited.reached for waited in waiting.waited.values()):
            return {name: waited.position for name, waited in waiting.waited.items()}
        waiting.measure(look)
    if ctx.stop():
        raise Interrupted("stopped by a signal; work under way continues", evidence=waiting.positions())
    raise WaitTimeout(f"not {request.state.value} after {request.timeout:g} seconds: {waiting.late()}", evidence=waiting.positions())


@dataclass
class _Waited:
    """The last position that was reported, and the revisions that were seen staged."""

    position: str = ""
    reached: bool = False
    cause: str | None = None
    seen_staged: set[int] = field(default_factory=set)


@dataclass
class _Wait:
    ctx: Context
    target: State
    waited: dict[str, _Waited]

    def positions(self) -> list[str]:
        return [f"{name}: {waited.position}" for name, waited in self.waited.items()]

    def late(self) -> str:
        """Who has not reached it, with the position of each as long as they are few; the evidence has all of them."""
        late = {name: waited.position for name, waited in self.waited.items() if not waited.reached}
        return "; ".join(f"{name}: {place}" for name, place in late.items()) if len(late) <= MOST_NAMES else counted(list(late), "workload")

    def take(self, look: Look) -> None:
        """Judge a look; reports new positions, and raises when the state cannot be reached any more."""
        if not look.changed:
            return
        gone = [name for name in self.waited if name not in look.workloads]
        if gone:
            raise WorkloadUnknown(f"removed from this box before it was {self.target.value}: {listed(gone)}")
        percent = percents(self.ctx, look.workloads.values())
        judged = {name: self._judge(look.workloads[name], waited, percent.get(name)) for name, waited in self.waited.items()}
        bare = [name for name, judgement in judged.items() if judgement.verdict is Verdict.NOTHING_STAGED]
        if bare:
            raise NothingStaged(f"nothing is staged for {listed(bare)}")
        never = {name: judgement.reason for name, judgement in judged.items() if judgement.verdict is Verdict.NEVER}
        if never:
            text = "; ".join(f"{name}: {reason}" for name, reason in never.items())
            raise WaitFailed(text, evidence=self.positions(), hint=command("workloads show", names=(next(iter(never)),)))

    def _judge(self, workload: Workload, waited: _Waited, percent: int | None) -> Judgement:
        judgement = judge(workload, self.target, waited.seen_staged)
        if workload.staged and workload.staged.spec.method.staged:
            waited.seen_staged.add(workload.staged.number)
        before, waited.position = waited.position, position(item_of(workload), percent)
        was_reached, waited.reached = waited.reached, judgement.verdict is Verdict.REACHED
        if waited.reached and not was_reached:
            self.ctx.progress(Finished(workload.name, self.target.value))
        elif before and waited.position != before:
            self.ctx.progress(Note(f"{workload.name}: {waited.position}"))
        if not waited.reached:
            self._report_cause(workload, waited)
        return judgement

    def _report_cause(self, workload: Workload, waited: _Waited) -> None:
        """What its staged version waits for, when that is news."""
        staged = workload.staged
        cause = staged.cause if staged and not staged.blocked else None
        if staged and cause and cause != waited.cause:
            self.ctx.progress(Note(f"{workload.name}: {describe_cause(staged, next_tries(self.ctx, [staged]).get(workload.name))}"))
        waited.cause = cause

    def measure(self, look: Look) -> None:
        """The progress of downloads, also for the message of a timeout."""
        for name, waited in self.waited.items():
            workload = look.workloads[name]
            if not waited.reached and is_downloading(workload) and workload.staged and workload.staged.locks:
                self.ctx.progress(Advanced(name, *self.ctx.store.progress(workload.staged.locks)))
                for time in next_tries(self.ctx, [workload.staged]).values():
                    self.ctx.progress(Retrying(name, "", seconds_until(time)))
                waited.position = position(item_of(workload), percents(self.ctx, [workload]).get(name))
