"""Which workloads an apply means, and whether their staged revisions are complete. Reads only the ledger and the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kelvin_provision.errors import (
    ApplyFailed,
    NothingStaged,
    NotReady,
    ProvisionError,
    StagingFailed,
    UsageRefused,
    VersionRefused,
    VersionRevoked,
)
from kelvin_provision.hints import command
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model.workloads import Revision, Workload
from kelvin_provision.naming import listed
from kelvin_provision.quantity import format_bytes
from kelvin_provision.spec.enums import Download
from kelvin_provision.status import Trouble
from kelvin_provision.store import Store
from kelvin_provision.wait_reason import describe


def choose(ledger: Ledger, names: Sequence[str], *, everything: bool) -> tuple[Workload, ...]:
    """The workloads to apply. Raises UsageRefused, WorkloadUnknown, NothingStaged (which names all without a staged revision)."""
    if everything and names:
        raise UsageRefused("give names or --all, not both")
    if not everything and not names:
        raise UsageRefused("no workloads to apply were given", hint=command("workloads apply", names=("NAME",), note="or --all"))
    workloads = tuple(ledger.readable_staged().workloads.values()) if everything else ledger.workloads(names)
    refuse_bare(workloads)
    return workloads


@dataclass(frozen=True)
class Selection:
    """What is applied, and what is left out of everything that is staged, each with its reason."""

    workloads: tuple[Workload, ...]
    left_out: tuple[str, ...] = ()


def select(workloads: Sequence[Workload], *, everything: bool, retry_failed: bool = False) -> Selection:
    """Without the versions that failed or would be refused, where everything is meant. Pure.

    A version that is named is tried, unless it cannot be staged, or is revoked. Raises StagingFailed and VersionRevoked for that, and,
    where nothing but such versions is staged, these, ApplyFailed or VersionRefused.
    """
    omitted = [(workload, kind) for workload in workloads if (kind := _omitted(workload, everything=everything, retry_failed=retry_failed))]
    names = {workload.name for workload, _ in omitted}
    rest = tuple(workload for workload in workloads if workload.name not in names)
    if not omitted or (everything and rest):
        return Selection(rest, tuple(_left_out(workload, kind) for workload, kind in omitted))
    text = f"{'; '.join(_reason(workload, kind) for workload, kind in omitted)}; nothing was changed"
    kinds = {kind for _, kind in omitted}
    if StagingFailed in kinds:
        raise StagingFailed(text)
    if VersionRevoked in kinds:
        raise VersionRevoked(text)
    if ApplyFailed in kinds:
        raise ApplyFailed(text, hint=command("workloads apply", "--all", "--retry-failed"))
    raise VersionRefused(text, hint=replace(VersionRefused.hint_default, names=tuple(workload.name for workload, _ in omitted)))


def _omitted(workload: Workload, *, everything: bool, retry_failed: bool) -> type[ProvisionError] | None:
    """Why it is not taken, as the error of that; None if it is taken."""
    revision = workload.staged
    if revision is None:
        return None
    if staging_failed(revision):
        return StagingFailed
    if revision.slot.trouble is Trouble.REVOKED:
        return VersionRevoked
    if everything and not retry_failed and revision.slot.trouble in {Trouble.APPLY_FAILED, Trouble.ROLLED_BACK}:
        return ApplyFailed
    return VersionRefused if everything and revision.slot.trouble is Trouble.REFUSED else None


def staging_failed(revision: Revision) -> bool:
    """Whether it cannot be downloaded or imported, whatever time goes by."""
    return revision.slot.trouble is Trouble.STAGING_FAILED


def _reason(workload: Workload, kind: type[ProvisionError]) -> str:
    revision = workload.staged
    if revision is None:
        return workload.name
    if kind is StagingFailed:
        return f"{workload.name}: version {revision.spec.app_version} cannot be staged: {revision.failure}"
    if (revision.staging.by_name_only or revision.revoked) and revision.waiting:
        return f"{workload.name}: {describe(revision.waiting)}"
    return f"{workload.name}: {revision.failure}"


def _left_out(workload: Workload, kind: type[ProvisionError]) -> str:
    """The reason, with the command that tries it all the same, where there is one."""
    again = "" if kind in {StagingFailed, VersionRevoked} else f"; `workloads apply -n {workload.name}` tries it"
    return f"{_reason(workload, kind)}{again}"


def refuse_bare(workloads: Sequence[Workload]) -> None:
    """Raise NothingStaged for all that have no staged revision."""
    bare = [workload.name for workload in workloads if workload.staged is None]
    if bare:
        raise NothingStaged(f"nothing is staged for {listed(bare)}")


def appliable(revision: Revision) -> bool:
    """Whether it can be applied: complete, or of the method that stages nothing."""
    return revision.download is Download.READY or not revision.spec.method.staged


def still_staging(workloads: Sequence[Workload]) -> list[str]:
    """Names of workloads whose staged revision will be complete, and is not yet."""
    staged = [workload.staged for workload in workloads if workload.staged]
    return [revision.workload for revision in staged if not appliable(revision) and not staging_failed(revision)]


def refuse_unready(workloads: Sequence[Workload], store: Store) -> None:
    """Raise NotReady for all that are not complete; of several the evidence has the progress of each."""
    late = {
        workload.name: _progress(workload.staged, store) for workload in workloads if workload.staged and not appliable(workload.staged)
    }
    if len(late) == 1:
        raise NotReady("".join(f"{name} is not ready{_in_brackets(progress)}" for name, progress in late.items()))
    if late:
        evidence = [f"{name}: {progress}" for name, progress in late.items()]
        raise NotReady(f"{len(late)} workloads are not ready: {listed(list(late))}", evidence=evidence)


def _in_brackets(progress: str) -> str:
    state, colon, cause = progress.partition(": ")
    return f" ({state}){colon}{cause}"


def _progress(revision: Revision, store: Store) -> str:
    """`downloading, 12.3 MiB of 36.0 MiB: the registry r.io does not answer`."""
    words = revision.download.value
    if revision.locks:
        done, total = store.progress(revision.locks)
        words += f", {format_bytes(done)} of {format_bytes(total)}" if done < total else ""
    return f"{words}{f': {revision.cause}' if revision.cause else ''}"
