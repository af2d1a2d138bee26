"""Follow accepted revisions until the agent has finished with them: `deploy --wait`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kelvin_provision.errors import ApplyFailed, Interrupted, NotReady, PlanRefused, StagingFailed, WaitFailed
from kelvin_provision.events import Advanced, Finished, Note, Retrying, Started
from kelvin_provision.hints import command
from kelvin_provision.naming import listed
from kelvin_provision.queries.changes import looks
from kelvin_provision.queries.retries import describe_cause, next_tries, seconds_until
from kelvin_provision.queries.transfers import describe_origin, transfers_of
from kelvin_provision.spec.enums import Download, State
from kelvin_provision.status import derive, of_staged

if TYPE_CHECKING:
    from kelvin_provision.context import Context
    from kelvin_provision.ledger.model.workloads import Revision, Workload

CONTINUES = "the agent continues the download"


@dataclass(frozen=True)
class FollowRequest:
    """`timeout` in seconds; None means no timeout."""

    revisions: tuple[Revision, ...]
    timeout: float | None = None


def follow(ctx: Context, request: FollowRequest, *, each_look: Callable[[], object] = lambda: None) -> Mapping[str, str]:
    """Wait until each is ready, or running with instant apply; returns which, by workload. `each_look` may start an agent again.

    The agent continues in all other cases: raises StagingFailed or ApplyFailed when one is blocked, WaitFailed when one was replaced or
    removed, NotReady after `timeout`, and Interrupted.
    """
    followed = [_Followed(ctx, revision) for revision in request.revisions]
    names = [revision.workload for revision in request.revisions]
    for look in looks(ctx, names, interval=ctx.timings.follow, timeout=request.timeout):
        ends = {name: revision.take(look.workloads.get(name)) for name, revision in zip(names, followed, strict=True)}
        if all(ends.values()):
            return {name: end for name, end in ends.items() if end}
        each_look()
    if ctx.stop():
        raise Interrupted(f"stopped by a signal; {CONTINUES}", hint=command("workloads list"))
    late = listed([name for name, end in ends.items() if not end])
    raise NotReady(f"{late}: not done yet; the agent continues in the background")


@dataclass
class _Followed:
    """A revision, and its last reported position."""

    ctx: Context
    revision: Revision
    started: set[str] = field(default_factory=set)
    complete: set[str] = field(default_factory=set)
    finished: set[str] = field(default_factory=set)
    cause: str | None = None
    state: State | None = None

    def take(self, workload: Workload | None) -> str | None:
        """Its outcome; None while the agent works on it."""
        name, number = self.revision.workload, self.revision.number
        if workload and workload.running and workload.running.number == number:
            self._report_images(workload.running)
            return "running"
        if workload is None or workload.staged is None or workload.staged.number != number:
            raise WaitFailed(f"{name}: {self._lost(workload)}", hint=command("workloads history", names=(name,)))
        staged = workload.staged
        self._report_images(staged)
        self._report_state(workload, staged)
        if staged.download is Download.READY and not staged.spec.method.instantly_apply:
            return "ready"
        return None

    def _lost(self, workload: Workload | None) -> str:
        """What happened to it if it is neither staged nor running."""
        version = self.revision.spec.app_version
        newest = workload.staged if workload else None
        if newest:
            return f"version {version} was replaced by version {newest.spec.app_version}"
        return f"version {version} was removed"

    def _report_state(self, workload: Workload, staged: Revision) -> None:
        method = staged.spec.method
        beside = method.staged and workload.running and workload.operation is None  # then the workload's state is that of what runs
        state = of_staged(staged.slot).state if beside or not method.instantly_apply else derive(workload.situation).state
        if state is not self.state:
            self.state = state
            self.ctx.progress(Note(f"{staged.workload}: {state.message.lower()}"))
        if staged.slot.failed:
            failed = ApplyFailed if staged.download is Download.READY or not staged.spec.method.staged else StagingFailed
            raise failed(f"{staged.workload}: {staged.failure}", hint=command("workloads show", names=(staged.workload,)))
        if staged.slot.refused:
            raise PlanRefused(f"{staged.workload}: {staged.cause}", hint=command("workloads check", names=(staged.workload,)))
        if staged.cause and staged.cause != self.cause:
            time = next_tries(self.ctx, [staged]).get(staged.workload)
            self.ctx.progress(Note(f"{staged.workload}: {describe_cause(staged, time)}"))
        self.cause = staged.cause

    def _report_retry(self, revision: Revision, task: str) -> None:
        """For a display that has a place for it; why has been said."""
        if revision.waiting and revision.waiting.is_retry:
            for time in next_tries(self.ctx, [revision]).values():
                self.ctx.progress(Retrying(task, "", seconds_until(time)))

    def _report_images(self, revision: Revision) -> None:
        if all(str(lock.reference) in self.finished for lock in revision.locks or ()):
            return
        for image in transfers_of(self.ctx, revision, {}):
            task = image.reference
            if task not in self.started and not image.complete:
                self.started.add(task)
                self.ctx.progress(Started(task, "downloading", image.size, image.here))
            if task in self.started and task not in self.complete:
                self.ctx.progress(Advanced(task, image.here, image.size))
                self._report_retry(revision, task)
            if image.complete and task not in self.complete:
                self.complete.add(task)
                self.ctx.progress(Started(task, "importing"))
            if revision.download is Download.READY and task not in self.finished:
                self.finished.add(task)
                self.ctx.progress(Finished(task, "ready", describe_origin(image)))
