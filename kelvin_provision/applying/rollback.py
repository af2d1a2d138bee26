"""Rollback: what ran earlier runs again, from the objects and images kept on this box. What is staged is not touched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kelvin_provision.applying import apply, transaction
from kelvin_provision.applying.apply import Prepared
from kelvin_provision.applying.forecast import Target
from kelvin_provision.applying.life import Tools
from kelvin_provision.errors import NothingToRollBack, RevisionUnknown, UsageRefused
from kelvin_provision.hints import command
from kelvin_provision.ledger import journal
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model import Revision, Workload
from kelvin_provision.status import Doing


@dataclass(frozen=True)
class Choice:
    """Where the way leads. `runs` are workloads that run the wanted revision already; the apply of those in `left` was left as it is."""

    targets: tuple[Target, ...]
    runs: tuple[Workload, ...] = ()
    left: frozenset[str] = frozenset()

    @property
    def notes(self) -> tuple[str, ...]:
        """What cannot be promised of it."""
        return tuple(
            f"{target.workload.name}: revision {target.revision.number} was not staged; the cluster has its image or must pull it"
            for target in self.targets
            if not target.revision.locks
        )


def choose(ledger: Ledger, names: Sequence[str], to: int | None = None) -> Choice:
    """Without `to`, the earlier revision that ran last. Raises WorkloadUnknown, NothingToRollBack, RevisionUnknown.

    Where an apply failed and was left as it is, the way back leads to the revision that ran before it.
    """
    if to is not None and len(set(names)) > 1:
        raise UsageRefused("--to goes with one workload: each has revisions of its own")
    left = journal.left(ledger)
    targets, runs = [], []
    for workload in ledger.workloads(names):
        revision = _wanted(ledger, workload, to, left=workload.name in left)
        if workload.running and revision.number == workload.running.number and workload.name not in left:
            runs.append(workload)
        else:
            targets.append(Target(workload, revision, revision.objects or ()))
    return Choice(tuple(targets), tuple(runs), left)


def _wanted(ledger: Ledger, workload: Workload, to: int | None, *, left: bool) -> Revision:
    running, kept = workload.running, ledger.kept(workload.name)
    if running is None:
        hint = command(f"workloads {'undeploy' if left else 'apply'}", names=(workload.name,))
        raise NothingToRollBack(f"no version of {workload.name} has ever come up", hint=hint)
    if to is None:
        earlier = [running] if left else [revision for revision in kept if revision.number < running.number]
        if not earlier:
            later = [f"revision {revision.number}, version {revision.spec.app_version}" for revision in kept]
            raise NothingToRollBack(
                f"no version of {workload.name} earlier than {running.spec.app_version} is kept on this box",
                hint=command("workloads history", names=(workload.name,)),
                evidence=[f"later and kept: {text}; --to goes there" for text in later],
            )
        return earlier[0]
    for revision in (running, *kept):
        if revision.number == to:
            return revision
    raise RevisionUnknown(
        f"{workload.name} has no revision {to} that came up and is kept on this box",
        hint=command("workloads history", names=(workload.name,)),
        evidence=[f"revision {revision.number}: version {revision.spec.app_version}" for revision in (running, *kept)],
    )


def run(tools: Tools, choice: Choice, stop: Callable[[], bool]) -> Prepared:
    """One transaction, as an apply. Raises PlanRefused, and as `transaction.carry_out`."""
    ready = tools.examine(choice.targets)
    try:
        transaction.carry_out(
            ready.steps,
            ready.wanted,
            ledger=tools.ledger,
            cluster=tools.cluster,
            lookup=tools.lookup,
            terms=tools.terms,
            who=tools.who,
            progress=tools.progress,
            stop=stop,
            kind=Doing.ROLLBACK,
        )
        for target in choice.targets:
            staged = target.workload.staged
            if staged and target.workload.name in choice.left:
                text = f"version {staged.spec.app_version} did not come up and was taken back"
                tools.ledger.set_download(staged, staged.download, text, blocked=staged.blocked)
    finally:
        apply.look(tools.ledger, tools.cluster, [target.workload.name for target in choice.targets])
    return ready
