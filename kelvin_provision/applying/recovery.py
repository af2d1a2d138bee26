"""After a crash: what the journal has open is finished or undone, and said."""

from __future__ import annotations

from collections.abc import Callable

from kelvin_provision.applying import start_stop
from kelvin_provision.applying.transaction import ApplyPolicy, finish, leave
from kelvin_provision.applying.undo import undo
from kelvin_provision.cluster.protocol import Cluster, Lookup
from kelvin_provision.errors import Interrupted, ProvisionError
from kelvin_provision.events import Note, Progress
from kelvin_provision.ledger import journal
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model import Care, Entry, Operation
from kelvin_provision.ledger.model import Phase as Stage
from kelvin_provision.status import Doing


def recover(
    *, ledger: Ledger, cluster: Callable[[], Cluster], lookup: Lookup, terms: ApplyPolicy, who: str, progress: Progress
) -> tuple[str, ...]:
    """Finish or undo what a crash left; says what it found. Call it with the operator lock held, before anything else."""
    operation = journal.unfinished(ledger)
    if operation is None:
        return ()
    names = ", ".join(step.workload for step in operation.steps)
    cause = f"interrupted {operation.kind} begun {operation.started}"
    match operation.phase:
        case Stage.FINISHING if operation.kind in {Doing.START, Doing.STOP}:
            failure = start_stop.carry_on(
                operation, ledger=ledger, cluster=cluster(), lookup=lookup, patience=terms.forward, who=who, progress=progress
            )
            how = f"taken up again: {failure}" if failure else "finished"
            said = f"an interrupted {operation.kind} of {names} was {how}"
        case Stage.FINISHING:
            finish(operation, ledger=ledger, cluster=cluster(), lookup=lookup, keep=terms.keep, who=who)
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


def remove(operation: Operation, *, ledger: Ledger, cluster: Cluster, who: str) -> dict[str, tuple[str, ...]]:
    """Carry out a journaled undeploy; what went, by workload. What the cluster refuses for good ends it: the workloads stay known."""
    try:
        gone = {step.workload: cluster.remove(step.workload) for step in operation.steps}
    except ProvisionError as error:
        if not error.temporary:
            failed = [
                Entry(ledger.clock(), who, operation.kind, step.workload, step.before, "failed", str(error)) for step in operation.steps
            ]
            journal.end(ledger, operation, failed)
        raise
    entries = [
        Entry(ledger.clock(), who, operation.kind, step.workload, step.before, "done", ", ".join(gone[step.workload]))
        for step in operation.steps
    ]
    journal.end_undeploy(ledger, operation, entries)
    return gone
