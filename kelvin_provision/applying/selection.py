"""Which workloads are meant, and whether what is staged of them may be put on the cluster. Only the ledger is asked."""

from __future__ import annotations

from collections.abc import Sequence

from kelvin_provision.errors import NothingStaged, UsageRefused
from kelvin_provision.hints import command
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model import Revision, Workload
from kelvin_provision.spec.enums import Download


def choose(ledger: Ledger, names: Sequence[str], *, everything: bool) -> tuple[Workload, ...]:
    """The workloads to apply. Raises UsageRefused, WorkloadUnknown, NothingStaged (which names every one that has nothing staged)."""
    if everything and names:
        raise UsageRefused("give names or --all, not both")
    if not everything and not names:
        raise UsageRefused("nothing to apply was named", hint=command("workloads apply", names=("NAME",), note="or --all"))
    found = ledger.workloads(None if everything else names)
    if everything:
        found = tuple(workload for workload in found if workload.staged)
    refuse_bare(found)
    return found


def refuse_bare(found: Sequence[Workload]) -> None:
    """Raise NothingStaged, with the names of all that have no staged revision."""
    bare = [workload.name for workload in found if workload.staged is None]
    if bare:
        raise NothingStaged(f"nothing is staged for {', '.join(bare)}")


def appliable(revision: Revision) -> bool:
    """Whether it may be put on the cluster: complete, or of the method that stages nothing."""
    return revision.download is Download.READY or not revision.spec.method.staged
