"""Which workloads an apply means, and whether their staged revisions are complete. Reads only the ledger and the store."""

from __future__ import annotations

from collections.abc import Sequence

from kelvin_provision.errors import NothingStaged, NotReady, UsageRefused
from kelvin_provision.hints import command
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model import Revision, Workload
from kelvin_provision.spec.enums import Download
from kelvin_provision.store import Store


def choose(ledger: Ledger, names: Sequence[str], *, everything: bool) -> tuple[Workload, ...]:
    """The workloads to apply. Raises UsageRefused, WorkloadUnknown, NothingStaged (which names all without a staged revision)."""
    if everything and names:
        raise UsageRefused("give names or --all, not both")
    if not everything and not names:
        raise UsageRefused("no workloads to apply were given", hint=command("workloads apply", names=("NAME",), note="or --all"))
    workloads = ledger.workloads(None if everything else names)
    if everything:
        workloads = tuple(workload for workload in workloads if workload.staged)
    refuse_bare(workloads)
    return workloads


def refuse_bare(workloads: Sequence[Workload]) -> None:
    """Raise NothingStaged for all that have no staged revision."""
    bare = [workload.name for workload in workloads if workload.staged is None]
    if bare:
        raise NothingStaged(f"nothing is staged for {', '.join(bare)}")


def appliable(revision: Revision) -> bool:
    """Whether it can be applied: complete, or of the method that stages nothing."""
    return revision.download is Download.READY or not revision.spec.method.staged


def refuse_unready(workloads: Sequence[Workload], store: Store) -> None:
    """Raise NotReady for all that are not complete, each with its progress."""
    late = [_progress(workload.staged, store) for workload in workloads if workload.staged and not appliable(workload.staged)]
    if late:
        raise NotReady("; ".join(late))


def _progress(revision: Revision, store: Store) -> str:
    words = f"{revision.workload} is not ready ({revision.download.value}"
    if revision.locks:
        done, total = store.progress(revision.locks)
        words += f", {done} of {total} bytes"
    return f"{words}){f': {revision.cause}' if revision.cause else ''}"
