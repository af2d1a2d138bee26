"""Which workloads an apply means, and whether their staged revisions are complete. Reads only the ledger and the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kelvin_provision.errors import ApplyFailed, NothingStaged, NotReady, StagingFailed, UsageRefused
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


@dataclass(frozen=True)
class Selection:
    """What is applied, and what is left out of everything that is staged, each with its reason."""

    workloads: tuple[Workload, ...]
    left_out: tuple[str, ...] = ()


def select(workloads: Sequence[Workload], *, everything: bool, retry_failed: bool = False) -> Selection:
    """Without the versions that failed where everything is meant. Pure.

    A version that is named is tried again, unless it cannot be staged. Raises StagingFailed for that, and, where nothing but versions that
    failed is staged, StagingFailed or ApplyFailed.
    """
    unstageable = [workload for workload in workloads if workload.staged and staging_failed(workload.staged)]
    failed = [workload for workload in workloads if everything and not retry_failed and workload.staged and apply_failed(workload.staged)]
    rest = tuple(workload for workload in workloads if workload not in unstageable and workload not in failed)
    reasons = tuple(_reason(workload) for workload in workloads if workload in unstageable or workload in failed)
    if not reasons or (everything and rest):
        return Selection(rest, reasons)
    if unstageable:
        raise StagingFailed(f"{'; '.join(reasons)}; nothing was changed")
    again = command("workloads apply", "--all", "--retry-failed")
    raise ApplyFailed(f"{'; '.join(reasons)}; nothing was changed", hint=again)


def staging_failed(revision: Revision) -> bool:
    """Whether it cannot be downloaded or imported, whatever time goes by."""
    return revision.download is Download.FAILED and not appliable(revision)


def apply_failed(revision: Revision) -> bool:
    """Whether it was tried on the cluster and did not come up."""
    return revision.blocked and appliable(revision)


def _reason(workload: Workload) -> str:
    revision = workload.staged
    if revision is None:
        return workload.name
    if staging_failed(revision):
        return f"{workload.name}: version {revision.spec.app_version} cannot be staged: {revision.failure}"
    return f"{workload.name}: {revision.failure}"


def refuse_bare(workloads: Sequence[Workload]) -> None:
    """Raise NothingStaged for all that have no staged revision."""
    bare = [workload.name for workload in workloads if workload.staged is None]
    if bare:
        raise NothingStaged(f"nothing is staged for {', '.join(bare)}")


def appliable(revision: Revision) -> bool:
    """Whether it can be applied: complete, or of the method that stages nothing."""
    return revision.download is Download.READY or not revision.spec.method.staged


def still_staging(workloads: Sequence[Workload]) -> list[str]:
    """Names of workloads whose staged revision will be complete, and is not yet."""
    staged = [workload.staged for workload in workloads if workload.staged]
    return [revision.workload for revision in staged if not appliable(revision) and not staging_failed(revision)]


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
