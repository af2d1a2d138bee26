"""Waiting for workloads to be in a state: from the ledger, as the agent keeps it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from kelvin_provision.cli.render.overview import percents, words
from kelvin_provision.context import Context
from kelvin_provision.errors import Interrupted, NothingStaged, WaitFailed, WaitTimeout, WorkloadUnknown
from kelvin_provision.events import Advanced, Finished, Note, Progress, Started
from kelvin_provision.hints import command as to_type
from kelvin_provision.ledger.model import Workload
from kelvin_provision.queries import documents
from kelvin_provision.queries.waiting import Judgement, Verdict, judge
from kelvin_provision.spec.enums import Download, State

TICK = 0.5


@dataclass
class _Waited:
    """What was said of one workload, and which versions were seen staged."""

    where: str = ""
    there: bool = False
    known: set[int] = field(default_factory=set)


def wait(
    ctx: Context,
    names: Sequence[str],
    wanted: State,
    *,
    timeout: float | None,
    progress: Progress,
    stop: Callable[[], bool],
    sleep: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, str]:
    """Until all are in the state at one look; where each is then, by name.

    Raises WorkloadUnknown, NothingStaged and WaitFailed as soon as one cannot get there any more, WaitTimeout with where each
    one is, and Interrupted. What is under way goes on in every case.
    """
    deadline = clock() + timeout if timeout is not None else None
    asked = _Wait(ctx, wanted, progress, {workload.name: _Waited() for workload in ctx.ledger.workloads(names)})
    for name in asked.waited:
        progress(Started(name, f"waiting until {wanted.value}:"))
    seen = None
    while True:
        version = ctx.ledger.version()
        if version != seen:
            seen = version
            asked.look()
        if all(one.there for one in asked.waited.values()):
            return {name: one.where for name, one in asked.waited.items()}
        asked.measure()
        if stop():
            raise Interrupted("stopped by a signal; what is under way goes on", evidence=asked.where())
        if deadline is not None and clock() >= deadline:
            late = "; ".join(f"{name}: {one.where}" for name, one in asked.waited.items() if not one.there)
            raise WaitTimeout(f"not {wanted.value} after {timeout:g} seconds: {late}", evidence=asked.where())
        sleep(TICK if deadline is None else max(min(TICK, deadline - clock()), 0))


@dataclass
class _Wait:
    """One wait; `found` is what the ledger said at the last look."""

    ctx: Context
    wanted: State
    progress: Progress
    waited: dict[str, _Waited]
    found: dict[str, Workload] = field(default_factory=dict)

    def where(self) -> list[str]:
        """Where each is, a line each."""
        return [f"{name}: {one.where}" for name, one in self.waited.items()]

    def look(self) -> None:
        """Read the ledger and judge; says what is new, and raises where there is nothing to wait for any more."""
        self.found = {workload.name: workload for workload in self.ctx.ledger.workloads()}
        gone = [name for name in self.waited if name not in self.found]
        if gone:
            raise WorkloadUnknown(f"removed from this box before it was {self.wanted.value}: {', '.join(gone)}")
        far = percents(self.ctx, [self.found[name] for name in self.waited])
        judged = {name: self._judge(self.found[name], one, far.get(name)) for name, one in self.waited.items()}
        bare = [name for name, found in judged.items() if found.verdict is Verdict.NOTHING_STAGED]
        if bare:
            raise NothingStaged(f"nothing is staged for {', '.join(bare)}")
        never = {name: found.why for name, found in judged.items() if found.verdict is Verdict.NEVER}
        if never:
            text = "; ".join(f"{name}: {why}" for name, why in never.items())
            raise WaitFailed(text, evidence=self.where(), hint=to_type("workloads show", names=(next(iter(never)),)))

    def _judge(self, workload: Workload, one: _Waited, percent: int | None) -> Judgement:
        found = judge(workload, self.wanted, one.known)
        if workload.staged and workload.staged.spec.method.staged:
            one.known.add(workload.staged.number)
        before, one.where = one.where, words(documents.listed(workload), percent)
        was, one.there = one.there, found.verdict is Verdict.THERE
        if one.there and not was:
            self.progress(Finished(workload.name, self.wanted.value))
        elif before and one.where != before:
            self.progress(Note(f"{workload.name}: {one.where}"))
        return found

    def measure(self) -> None:
        """How far downloads are: for who watches, and for the message should the time be over."""
        for name, one in self.waited.items():
            workload = self.found[name]
            staged = workload.staged
            if not one.there and staged and staged.locks and staged.download is Download.DOWNLOADING:
                self.progress(Advanced(name, *self.ctx.store.progress(staged.locks)))
                one.where = words(documents.listed(workload), percents(self.ctx, [workload]).get(name))
