"""The transaction: several workloads changed as one. Journal, put, wait, then finish all or go back with all.

Its only memory is the journal, so that whoever comes after a crash goes on from there (`ops.recovery`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from kelvin_provision.applying.undo import FailureCause, known_objects, undo
from kelvin_provision.cluster.protocol import Cluster, Health, Lookup, Phase, WaitPolicy
from kelvin_provision.errors import ApplyFailed, ApplyLeft, ClusterRefused, Interrupted, ProvisionError, UndoFailed
from kelvin_provision.events import Progress, Started
from kelvin_provision.hints import Hint, command
from kelvin_provision.ledger import journal
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model import Care, Entry, Operation, Step
from kelvin_provision.ledger.model import Phase as Stage
from kelvin_provision.spec.workload import Object
from kelvin_provision.status import Doing

Wanted = Mapping[str, tuple[Object, ...]]


@dataclass(frozen=True)
class ApplyPolicy:
    """How long to wait for the new versions, how long for the old ones on the way back, and how many revisions to keep."""

    forward: WaitPolicy
    back: WaitPolicy
    keep: int


def carry_out(
    steps: Sequence[Step],
    wanted: Wanted,
    *,
    ledger: Ledger,
    cluster: Cluster,
    lookup: Lookup,
    terms: ApplyPolicy,
    who: str,
    progress: Progress,
    stop: Callable[[], bool],
    kind: Doing = Doing.APPLY,
    care: Care = Care.BACK,
) -> None:
    """All come up, or all go back. Raises ApplyFailed or Interrupted (undone), UndoFailed (the way back failed too).

    With LEAVE nothing goes back: ApplyLeft, or Interrupted. With BLIND nobody looks whether they come up; what cannot even be put
    on the cluster still goes back.
    """
    if stop():
        raise Interrupted("stopped by a signal; nothing was touched")
    operation = journal.begin(ledger, kind, Stage.APPLYING, steps, care, who=who)
    try:
        cause = _bring_up(operation, wanted, cluster=cluster, lookup=lookup, patience=terms.forward, progress=progress, stop=stop)
        if cause is None:
            journal.commit(ledger, operation)
    except ProvisionError as error:
        cause = error
    if cause is None:
        finish(operation, ledger=ledger, cluster=cluster, lookup=lookup, keep=terms.keep, who=who)
        return
    if care is Care.LEAVE:
        raise leave(operation, cause, ledger=ledger, who=who) from cause
    try:
        undo(
            operation,
            str(cause),
            blame=FailureCause.of(cause) if kind is Doing.APPLY else None,
            ledger=ledger,
            cluster=cluster,
            lookup=lookup,
            patience=terms.back,
            who=who,
            progress=progress,
        )
    except UndoFailed as error:
        raise UndoFailed(str(error), hint=error.hint, evidence=(*error.evidence, *cause.evidence)) from cause
    failure = Interrupted if isinstance(cause, Interrupted) else ApplyFailed
    raise failure(f"{cause}; everything is back to what ran before", hint=cause.hint, evidence=cause.evidence) from cause


def _bring_up(
    operation: Operation,
    wanted: Wanted,
    *,
    cluster: Cluster,
    lookup: Lookup,
    patience: WaitPolicy,
    progress: Progress,
    stop: Callable[[], bool],
) -> ProvisionError | None:
    """Put all and wait for all; why it did not work, or None. Nothing is undone here."""
    for step in operation.steps:
        progress(Started(step.workload, "applying"))
        cluster.put(step.workload, wanted[step.workload], lookup)
        if stop():
            return Interrupted("stopped by a signal")
    if operation.care is Care.BLIND:
        return None
    health = cluster.wait(wanted, patience, progress, stop)
    return _judge(health, operation.steps, cluster, stopped=stop())


def _judge(health: Mapping[str, Health], steps: Sequence[Step], cluster: Cluster, *, stopped: bool) -> ProvisionError | None:
    """Why it did not work, with evidence gathered before anything is undone; None when all are up."""
    if stopped:
        return Interrupted("stopped by a signal")
    bad = {step.workload: health[step.workload] for step in steps if health[step.workload].phase is not Phase.READY}
    if not bad:
        return None
    evidence = [f"{name}: {line}" for name in bad for line in cluster.evidence(name)]
    causes = "; ".join(f"{name}: {_words(found)}" for name, found in bad.items())
    first = next(iter(bad))
    return ApplyFailed(causes, evidence=evidence, hint=command("workloads show", names=(first,)))


def _words(found: Health) -> str:
    return found.why if found.phase is Phase.FAILED else f"not up in time, {found.why or 'no reason given'}"


def finish(operation: Operation, *, ledger: Ledger, cluster: Cluster, lookup: Lookup, keep: int, who: str) -> None:
    """After the point of no return: remove what is old, close the journal.

    What the cluster refuses for good is no reason to keep every later command from its work: it is written down, and the next look
    shows what is there.
    """
    entries = []
    for step in operation.steps:
        detail = _untidy(step, ledger, cluster, lookup)
        done = "done, not waited for" if operation.care is Care.BLIND else "done"
        entries.append(
            Entry(ledger.clock(), who, operation.kind, step.workload, step.after, "done, not tidied" if detail else done, detail)
        )
    journal.end(ledger, operation, entries, keep=keep)


def _untidy(step: Step, ledger: Ledger, cluster: Cluster, lookup: Lookup) -> str:
    """Why it cannot be made final, or nothing. What was committed and then removed by somebody else is put once more."""
    try:
        objects = known_objects(ledger, step.workload, step.after)
        try:
            cluster.finish(step.workload, objects)
        except ClusterRefused:
            cluster.put(step.workload, objects, lookup)
            cluster.finish(step.workload, objects)
    except ProvisionError as error:
        if error.temporary:
            raise
        return str(error)
    return ""


def leave(operation: Operation, cause: ProvisionError, *, ledger: Ledger, who: str) -> ProvisionError:
    """Close it without touching the cluster; the error to raise. The slots stay: what is staged can be applied again."""
    outcome = "failed, left as it is"
    entries = [Entry(ledger.clock(), who, operation.kind, step.workload, step.after, outcome, str(cause)) for step in operation.steps]
    journal.end_left(ledger, operation, entries)
    kind = Interrupted if isinstance(cause, Interrupted) else ApplyLeft
    return kind(f"{cause}; everything is left as it is", hint=_way_back(operation), evidence=cause.evidence)


def _way_back(operation: Operation) -> Hint:
    """What was new has nothing to go back to."""
    old = [step.workload for step in operation.steps if step.before is not None]
    verb, names = ("rollback", old) if old else ("undeploy", [step.workload for step in operation.steps])
    return command(f"workloads {verb}", names=tuple(names))
