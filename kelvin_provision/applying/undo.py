"""The way back: what ran before is put back, all of it that can be, and what is certain afterwards is said."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from kelvin_provision.cluster.protocol import Cluster, Health, Lookup, Phase, WaitPolicy
from kelvin_provision.errors import ClusterRefused, Interrupted, ProvisionError, UndoFailed, WorkloadUnknown
from kelvin_provision.events import Finished, Progress, Started
from kelvin_provision.hints import command
from kelvin_provision.ledger import journal
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model import Entry, Operation
from kelvin_provision.ledger.model import Phase as Stage
from kelvin_provision.spec.workload import Object


@dataclass(frozen=True)
class FailureCause:
    """What is kept with a revision that did not come up. A cluster that went away is nobody's fault: it may be tried again as it is."""

    text: str
    blocks: bool

    @classmethod
    def of(cls, cause: ProvisionError) -> FailureCause | None:
        """None for a signal."""
        return None if isinstance(cause, Interrupted) else cls(str(cause), not cause.temporary)


def undo(
    operation: Operation,
    cause: str,
    *,
    blame: FailureCause | None = None,
    ledger: Ledger,
    cluster: Cluster,
    lookup: Lookup,
    patience: WaitPolicy,
    who: str,
    progress: Progress,
) -> None:
    """Go back to what ran before, last first; raises UndoFailed when that does not come up again.

    When the cluster does not answer, the operation stays in the journal and the next command tries again. When it was told, and it
    refuses or the old version does not come up, trying again would not help: the operation is closed and said to be so.
    """
    with suppress(ProvisionError):
        # On a full disk too: what is still APPLYING is undone by the next command as well.
        journal.set_phase(ledger, operation, Stage.UNDOING)
    old: dict[str, tuple[Object, ...]] = {}
    # Nothing is enabled before the commit, so this still says what ran before.
    stopped = {workload.name for workload in ledger.workloads() if workload.running and not workload.enabled}
    errors: dict[str, ProvisionError] = {}
    for step in reversed(operation.steps):
        progress(Started(step.workload, "undoing"))
        try:
            old[step.workload] = known_objects(ledger, step.workload, step.before)
            cluster.revert(step.workload, old[step.workload], lookup)
            if step.workload in stopped:
                cluster.stop(step.workload)
        except ProvisionError as error:
            errors[step.workload] = error
    waited = {name: objects for name, objects in old.items() if objects and name not in stopped and name not in errors}
    health: Mapping[str, Health] = {}
    try:
        health = cluster.wait(waited, patience, progress, lambda: False) if waited else {}
    except ProvisionError as error:
        errors |= dict.fromkeys(waited, error)
    if any(error.temporary for error in errors.values()):
        first = next(error for error in errors.values() if error.temporary)
        words = f"{cause}; the way back could not be taken: {first}"
        raise UndoFailed(words, hint=first.hint, evidence=(*_certain(operation, health, errors), *first.evidence))
    well = not errors and all(found.phase is Phase.READY for found in health.values())
    outcome = "undone" if well else "undo failed"
    entries = [Entry(ledger.clock(), who, operation.kind, step.workload, step.after, outcome, cause) for step in operation.steps]
    journal.end(ledger, operation, entries, blame=blame.text if blame else None, blocked=bool(blame and blame.blocks))
    for step in operation.steps:
        progress(Finished(step.workload, "failed", "back to what ran before" if well else "the earlier version does not come up"))
    if not well:
        hint = command("workloads show", "--live", names=(operation.steps[0].workload,))
        words = f"{cause}; the earlier version does not come up again"
        raise UndoFailed(words, hint=hint, evidence=_certain(operation, health, errors))


def _certain(operation: Operation, health: Mapping[str, Health], errors: Mapping[str, ProvisionError]) -> list[str]:
    """What is certain and what is not, one line a workload."""
    lines = []
    for step in operation.steps:
        found, error = health.get(step.workload), errors.get(step.workload)
        if error is not None:
            known = f"not certain: it may be the old version, the new one or both ({error})"
        elif found is None:
            known = "certain: nothing of it is left" if step.before is None else "certain: stopped, as it was before"
        elif found.phase is Phase.READY:
            known = "certain: the earlier version is up"
        else:
            known = f"certain: the earlier version is asked for; not up: {found.why}"
        lines.append(f"{step.workload}: {known}")
    return lines


def known_objects(ledger: Ledger, workload: str, number: int | None) -> tuple[Object, ...]:
    """What a revision was rendered to; nothing at all for no revision.

    Raises ClusterRefused for one that is not known any more: without its objects an earlier version looks like none at all, and both
    going back to none and keeping none is to remove the workload.
    """
    if number is None:
        return ()
    try:
        objects = ledger.revision(workload, number).objects
    except WorkloadUnknown:
        objects = None
    if not objects:
        raise ClusterRefused(f"what revision {number} of {workload} was rendered to is not known any more")
    return objects
