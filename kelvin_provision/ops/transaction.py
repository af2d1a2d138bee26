"""The transaction: several workloads changed as one. Journal, put, wait, then finish all or revert all.

Its only memory is the journal, so that whoever comes after a crash goes on from there (`recover`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from kelvin_provision.cluster.protocol import Cluster, Health, Lookup, Patience, Phase
from kelvin_provision.errors import ApplyFailed, ApplyLeft, ClusterRefused, Interrupted, ProvisionError, UndoFailed
from kelvin_provision.events import Finished, Note, Progress, Started
from kelvin_provision.ledger import journal
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model import Care, Entry, Operation, Step
from kelvin_provision.ledger.model import Phase as Stage
from kelvin_provision.ops import switch
from kelvin_provision.spec.workload import Object
from kelvin_provision.status import Doing

Wanted = Mapping[str, tuple[Object, ...]]


@dataclass(frozen=True)
class Terms:
    """How long to wait for the new versions, how long for the old ones on the way back, and how many revisions to keep."""

    forward: Patience
    back: Patience
    keep: int


def carry_out(
    steps: Sequence[Step],
    wanted: Wanted,
    *,
    ledger: Ledger,
    cluster: Cluster,
    lookup: Lookup,
    terms: Terms,
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
    operation = journal.begin(ledger, kind, Stage.APPLYING, steps, care)
    cause: ProvisionError | None = None
    try:
        for step in steps:
            progress(Started(step.workload, "applying"))
            cluster.put(step.workload, wanted[step.workload], lookup)
            if stop():
                break
        if stop():
            cause = Interrupted("stopped by a signal")
        elif care is not Care.BLIND:
            health = cluster.wait(wanted, terms.forward, progress, stop)
            cause = _judge(health, steps, cluster, stopped=stop())
    except ProvisionError as error:
        cause = error
    if cause is None:
        journal.commit(ledger, operation)
        finish(operation, ledger=ledger, cluster=cluster, keep=terms.keep, who=who)
        return
    if care is Care.LEAVE:
        raise leave(operation, cause, ledger=ledger, who=who) from cause
    try:
        undo(operation, str(cause), ledger=ledger, cluster=cluster, lookup=lookup, patience=terms.back, who=who, progress=progress)
    except UndoFailed as error:
        raise UndoFailed(str(error), hint=error.hint, evidence=(*error.evidence, *cause.evidence)) from cause
    failure = Interrupted if isinstance(cause, Interrupted) else ApplyFailed
    raise failure(f"{cause}; everything is back to what ran before", hint=cause.hint, evidence=cause.evidence) from cause


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
    return ApplyFailed(causes, evidence=evidence, hint=f"kelvin-provision workloads show -n {first}")


def _words(found: Health) -> str:
    return found.why if found.phase is Phase.FAILED else f"not up in time, {found.why or 'no reason given'}"


def finish(operation: Operation, *, ledger: Ledger, cluster: Cluster, keep: int, who: str) -> None:
    """After the point of no return: remove what is old, close the journal."""
    entries = []
    outcome = "done, not waited for" if operation.care is Care.BLIND else "done"
    for step in operation.steps:
        if step.after is None:
            continue
        cluster.finish(step.workload, objects_of(ledger, step.workload, step.after))
        entries.append(Entry(ledger.clock(), who, operation.kind, step.workload, step.after, outcome))
    journal.end(ledger, operation, entries, keep=keep)


def leave(operation: Operation, cause: ProvisionError, *, ledger: Ledger, who: str) -> ProvisionError:
    """Close it without touching the cluster; the error to raise. The slots stay: what is staged can be applied again."""
    outcome = "failed, left as it is"
    entries = [Entry(ledger.clock(), who, operation.kind, step.workload, step.after, outcome, str(cause)) for step in operation.steps]
    journal.end_left(ledger, operation, entries)
    kind = Interrupted if isinstance(cause, Interrupted) else ApplyLeft
    return kind(f"{cause}; everything is left as it is", hint=_way_back(operation), evidence=cause.evidence)


def _way_back(operation: Operation) -> str:
    """A command to paste: what was new has nothing to go back to."""
    old = [step.workload for step in operation.steps if step.before is not None]
    verb, names = ("rollback", old) if old else ("undeploy", [step.workload for step in operation.steps])
    return f"kelvin-provision workloads {verb} {' '.join(f'-n {name}' for name in names)}"


def undo(
    operation: Operation,
    cause: str,
    *,
    ledger: Ledger,
    cluster: Cluster,
    lookup: Lookup,
    patience: Patience,
    who: str,
    progress: Progress,
) -> None:
    """Go back to what ran before, last first; raises UndoFailed when that does not come up again.

    When the cluster cannot even be told, the operation stays in the journal and the next command tries again; when it was
    told and the old version does not come up, trying again would not help, so the operation is closed and said to be so.
    """
    journal.set_phase(ledger, operation, Stage.UNDOING)
    old = {step.workload: objects_of(ledger, step.workload, step.before) for step in operation.steps}
    # Nothing is enabled before the commit, so this still says what ran before.
    stopped = {workload.name for workload in ledger.workloads() if workload.running and not workload.enabled}
    for step in reversed(operation.steps):
        progress(Started(step.workload, "undoing"))
        try:
            cluster.revert(step.workload, old[step.workload], lookup)
            if step.workload in stopped:
                cluster.stop(step.workload)
        except ProvisionError as error:
            raise UndoFailed(
                f"{cause}; the way back could not be taken: {error}", hint=error.hint, evidence=(*_certain(operation, {}), *error.evidence)
            ) from error
    waited = {name: objects for name, objects in old.items() if objects and name not in stopped}
    health = cluster.wait(waited, patience, progress, lambda: False) if waited else {}
    well = all(found.phase is Phase.READY for found in health.values())
    outcome = "undone" if well else "undo failed"
    entries = [Entry(ledger.clock(), who, operation.kind, step.workload, step.after, outcome, cause) for step in operation.steps]
    journal.end(ledger, operation, entries)
    for step in operation.steps:
        progress(Finished(step.workload, "failed", "back to what ran before" if well else "the earlier version does not come up"))
    if not well:
        raise UndoFailed(f"{cause}; the earlier version does not come up again", evidence=_certain(operation, health))


def _certain(operation: Operation, health: Mapping[str, Health]) -> list[str]:
    """What is certain and what is not, one line a workload."""
    lines = []
    for step in operation.steps:
        found = health.get(step.workload)
        if found is None:
            known = "not certain: it may be the old version, the new one or both"
        elif found.phase is Phase.READY:
            known = "certain: the earlier version is up"
        else:
            known = f"certain: the earlier version is asked for; not up: {found.why}"
        lines.append(f"{step.workload}: {known}")
    return lines


def objects_of(ledger: Ledger, workload: str, number: int | None) -> tuple[Object, ...]:
    """What a revision was rendered to; nothing at all for no revision."""
    return (ledger.revision(workload, number).objects or ()) if number is not None else ()


def recover(
    *, ledger: Ledger, cluster: Callable[[], Cluster], lookup: Lookup, terms: Terms, who: str, progress: Progress
) -> tuple[str, ...]:
    """Finish or undo what a crash left; says what it found. Call it with the operator lock held, before anything else."""
    operation = journal.unfinished(ledger)
    if operation is None:
        return ()
    names = ", ".join(step.workload for step in operation.steps)
    cause = f"interrupted {operation.kind} begun {operation.started}"
    match operation.phase:
        case Stage.FINISHING if operation.kind in {Doing.START, Doing.STOP}:
            failure = switch.carry_on(
                operation, ledger=ledger, cluster=cluster(), lookup=lookup, patience=terms.forward, who=who, progress=progress
            )
            how = f"taken up again: {failure}" if failure else "finished"
            said = f"an interrupted {operation.kind} of {names} was {how}"
        case Stage.FINISHING:
            _finish_again(operation, ledger=ledger, cluster=cluster(), lookup=lookup, keep=terms.keep, who=who)
            said = f"an interrupted {operation.kind} of {names} was finished"
        case Stage.REMOVING:
            remove(operation, ledger=ledger, cluster=cluster(), who=who)
            said = f"an interrupted undeploy of {names} was finished"
        case Stage.APPLYING if operation.care is Care.LEAVE:
            leave(operation, Interrupted(cause), ledger=ledger, who=who)
            said = f"an interrupted {operation.kind} of {names} was left as it is, as it was asked for"
        case _:
            undo(operation, cause, ledger=ledger, cluster=cluster(), lookup=lookup, patience=terms.back, who=who, progress=progress)
            said = f"an interrupted {operation.kind} of {names} was undone"
    progress(Note(said))
    return (said,)


def _finish_again(operation: Operation, *, ledger: Ledger, cluster: Cluster, lookup: Lookup, keep: int, who: str) -> None:
    """What was committed and then removed by somebody else is put once more: else every later command would stumble over it."""
    try:
        finish(operation, ledger=ledger, cluster=cluster, keep=keep, who=who)
    except ClusterRefused:
        for step in operation.steps:
            cluster.put(step.workload, objects_of(ledger, step.workload, step.after), lookup)
        finish(operation, ledger=ledger, cluster=cluster, keep=keep, who=who)


def remove(operation: Operation, *, ledger: Ledger, cluster: Cluster, who: str) -> dict[str, tuple[str, ...]]:
    """Carry out a journaled undeploy; what went, by workload."""
    gone = {step.workload: cluster.remove(step.workload) for step in operation.steps}
    entries = [
        Entry(ledger.clock(), who, operation.kind, step.workload, step.before, "done", ", ".join(gone[step.workload]))
        for step in operation.steps
    ]
    journal.end_undeploy(ledger, operation, entries)
    return gone
