"""One turn of the agent: everything that can be done now, once. The rest is left to the next turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from kelvin_provision.agent import scheduler
from kelvin_provision.agent.damage import DamageLog
from kelvin_provision.agent.faults import LONGEST_BOX_PAUSE, Faults, Pauses
from kelvin_provision.agent.preemption import Preemption
from kelvin_provision.agent.queue import batch_of, complete_groups, held_by_group, pending
from kelvin_provision.agent.staging import restage_unsigned, stage_revision
from kelvin_provision.agent.tasks import Task, apply_group, nothing, staged_of
from kelvin_provision.applying.selection import appliable
from kelvin_provision.context import Context
from kelvin_provision.errors import LeadElsewhere, ProvisionError, TransferStopped
from kelvin_provision.events import Event, Note, Status
from kelvin_provision.leading import lease
from kelvin_provision.ledger import orders
from kelvin_provision.ledger.model.workloads import Revision, Workload
from kelvin_provision.ledger.staging_state import Received, Waiting
from kelvin_provision.nodes.where import spreading
from kelvin_provision.rehearsing.lock import tidy_after_crash
from kelvin_provision.spec.enums import Download
from kelvin_provision.staging.limits.limits import TransferLimits, limits_of
from kelvin_provision.wait_reason import WaitKind, WaitReason

_TRIED_EVERY_TURN = frozenset({WaitKind.NO_SPACE, WaitKind.RUNTIME_UNREACHABLE, WaitKind.MEDIUM})
"""Problems of the box that are over as soon as a person fixes them. They only pause before another download is interrupted for them."""


@dataclass
class Memory:
    """What outlives a turn: faults and troubles of the box that back off, and the measured capacity of the link to the registries."""

    limits: TransferLimits
    troubles: Pauses
    faults: Faults = field(default_factory=Faults)
    damage: DamageLog = field(default_factory=DamageLog)
    site: spreading.SiteMemory = field(default_factory=spreading.SiteMemory)
    leads_elsewhere: str = ""
    """Who leads the cluster in place of this box, as it was said last."""
    continues: bool = False
    """Whether a download gave way to others in the last turn: the next one need not wait."""

    @classmethod
    def of(cls, ctx: Context) -> Memory:
        return cls(limits_of(ctx.settings.download, ctx.ledger), Pauses(ctx.timings.agent_retry, LONGEST_BOX_PAUSE))


def take(ctx: Context, memory: Memory) -> bool:
    """Receive, stage, apply whole groups. True when nothing is left that time alone would resolve.

    Applying comes first and preempts downloads: a small change must not wait for a download of days. A bug in one workload's staging
    or one group's apply ends neither the turn nor the agent.
    """
    return _Turn(ctx, memory).run()


class _Turn:
    """`_tried` are the keys of what this turn has tried to apply, so that it is tried once per turn."""

    def __init__(self, ctx: Context, memory: Memory) -> None:
        self._ctx = ctx
        self._memory = memory
        self._tried: set[str] = set()

    def run(self) -> bool:
        ctx = self._ctx
        self._memory.continues = False
        if self._leads_elsewhere():
            return False
        self._memory.damage.look_at_all(ctx)
        scheduler.expire(ctx)
        tidy_after_crash(ctx)
        restage_unsigned(ctx)
        spreading.refresh(ctx, self._memory.site)
        queue = pending(self._workloads())
        for workload in queue:
            if workload.staged and workload.staged.download is Download.PENDING:
                ctx.ledger.advance(workload.staged, Received())
        self._apply_admissible()
        for workload in queue:
            self._stage_and_apply(workload)
        workloads = self._workloads()
        scheduler.record_waiting(ctx, complete_groups(workloads))
        _record_held_by_group(ctx, workloads)
        return not scheduler.left_to_do(ctx, workloads)

    def _leads_elsewhere(self) -> bool:
        """A box that has lost the lead stages and applies nothing, and says so once. One of a single node asks nothing."""
        ctx, why = self._ctx, ""
        try:
            lease.refuse_elsewhere(ctx.settings.state_dir, lambda: ctx.cluster)
        except LeadElsewhere as error:
            why = str(error)
        if why and why != self._memory.leads_elsewhere:
            ctx.progress(Note(f"{why}: nothing is staged or applied here"))
        self._memory.leads_elsewhere = why
        return bool(why)

    def _workloads(self) -> tuple[Workload, ...]:
        """Workloads with work for the agent, except damaged ones, each of which is logged once."""
        readable = self._ctx.ledger.readable_unapplied()
        self._memory.damage.log(self._ctx, readable.damaged)
        return tuple(readable.workloads.values())

    def _stage_and_apply(self, workload: Workload) -> None:
        """Stage one workload, and apply what became admissible meanwhile; then a preempted download continues.

        One that has had its turn continues after the others (ADR 0031).
        """
        while workload.staged and not appliable(workload.staged) and not self._ctx.stop():
            preemption = Preemption(self, workload.name)
            self._stage(workload.staged, preemption)
            self._apply_admissible()
            if not preemption.pressing:
                break

    def _stage(self, revision: Revision, preemption: Preemption) -> None:
        """Unless the last attempt ended with a problem of the box and its pause is not over."""

        def work(ctx: Context) -> None:
            def progress(event: Event) -> None:
                preemption.note(event)
                ctx.progress(event)

            try:
                waits = stage_revision(revision, self._memory.limits, preemption, replace(ctx, progress=progress))
            except TransferStopped:
                self._memory.continues |= preemption.gave_way
                if not preemption.gave_way:
                    ctx.progress(Note(f"staging {revision.workload} stopped; what was downloaded is kept"))
                return
            self._note(task.key, waits)

        task = Task.about("staging", [revision], work)
        if revision.waiting is None or revision.waiting.kind in _TRIED_EVERY_TURN or not self._memory.troubles.backs_off(task.key):
            self._contain(task)

    def others_wait(self, name: str) -> bool:
        """Whether another workload could be staged meanwhile."""
        revisions = [workload.staged for workload in pending(self._workloads()) if workload.staged and workload.name != name]
        keys = [Task.about("staging", [revision], nothing).key for revision in revisions if not appliable(revision)]
        return any(not self._memory.troubles.backs_off(key) and not self._memory.faults.backs_off(key) for key in keys)

    def staging_turn(self) -> float:
        return self._ctx.timings.staging_turn

    def _note(self, key: str, waits: WaitReason | None) -> None:
        if waits is not None and waits.kind in {WaitKind.ERROR, WaitKind.IMAGE_UNSIGNED, WaitKind.DELTA_MISSING, *_TRIED_EVERY_TURN}:
            self._memory.troubles.begin(key)
        else:
            self._memory.troubles.clear(key)

    def _apply_admissible(self) -> None:
        for key, task in self._admissible().items():
            if not self._ctx.stop() and key not in self._tried:
                self._tried.add(key)
                self._contain(task)

    def _admissible(self) -> dict[str, Task]:
        """What could be done now, by key: orders whose time has come, and whole groups. Only reads."""
        ctx = self._ctx
        due = {f"order {order.id}": Task.of_order(ctx, order) for order in scheduler.due(ctx)}
        groups = scheduler.admissible(ctx, complete_groups(self._workloads()))
        return due | {batch_of(group): Task.about("applying", staged_of(group), partial(apply_group, group)) for group in groups}

    def has_untried(self) -> bool:
        """Whether there is something to apply that this turn has not tried."""
        return not self._tried.issuperset(self._admissible())

    def token(self) -> object:
        return scheduler.change_token(self._ctx)

    def stop(self) -> bool:
        return self._ctx.stop()

    def _contain(self, task: Task) -> None:
        """Do it, unless a bug in it rests. A new bug is logged with its traceback, and `list` has the sentence."""
        ctx, faults = self._ctx, self._memory.faults
        if faults.backs_off(task.key):
            return
        ctx.progress(Status(task.label))
        try:
            task.work(ctx)
        except ProvisionError:
            raise
        except Exception as error:  # noqa: BLE001  (a bug of ours, contained to what it hit)
            text, traceback = faults.record(task.key, error)
            text = ctx.sanitizer.text(text)
            for line in (f"{task.label}: {text}", *traceback):
                ctx.progress(Note(line))
            for revision in task.revisions:
                ctx.ledger.advance(revision, Waiting(WaitReason(WaitKind.OUR_BUG, text)))
            if task.order:
                orders.note(ctx.ledger, task.order, text)
        else:
            faults.clear(task.key)
        finally:
            ctx.progress(Status(""))


def _record_held_by_group(ctx: Context, workloads: Sequence[Workload]) -> None:
    """Record what a ready member of a group waits for, for `list`."""
    held = held_by_group(workloads)
    for workload in workloads:
        if workload.name in held and workload.staged and appliable(workload.staged):
            mate = held[workload.name]
            cause = (mate.staged.cause if mate.staged else None) or ""
            ctx.ledger.advance(workload.staged, Waiting(WaitReason(WaitKind.GROUP, cause, workloads=(mate.name,))))
