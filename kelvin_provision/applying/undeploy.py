"""Undeploy: take workloads away, with what they kept on this box; or only their staged revisions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kelvin_provision.applying import recovery
from kelvin_provision.applying.selection import refuse_bare
from kelvin_provision.cluster.protocol import Cluster
from kelvin_provision.ledger import journal, requests
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model import Phase, Step, Workload
from kelvin_provision.spec.enums import VolumeKind
from kelvin_provision.status import Doing

__all__ = ["data_of", "refuse_bare", "run", "run_staged"]


def data_of(workload: Workload) -> tuple[str, ...]:
    """Names of the persistent volumes whose data would go."""
    volumes = workload.running.spec.system.volumes if workload.running else ()
    return tuple(volume.name for volume in volumes if volume.kind is VolumeKind.PERSISTENT)


def run(ledger: Ledger, cluster: Callable[[], Cluster], names: Sequence[str], *, who: str) -> dict[str, tuple[str, ...]]:
    """Remove workloads and any staged revision of them; what went, by workload. Raises WorkloadUnknown."""
    found = ledger.workloads(names)
    steps = [
        Step(workload.name, workload.running.number if workload.running else None, workload.staged.number if workload.staged else None)
        for workload in found
    ]
    operation = journal.begin(ledger, Doing.UNDEPLOY, Phase.REMOVING, steps)
    return recovery.remove(operation, ledger=ledger, cluster=cluster(), who=who)


def run_staged(ledger: Ledger, cluster: Callable[[], Cluster], names: Sequence[str], *, who: str) -> None:
    """Forget staged revisions; what runs is not touched. Raises WorkloadUnknown, NothingStaged."""
    found = ledger.workloads(names)
    refuse_bare(found)
    left = journal.left(ledger)
    for workload in found:
        if workload.running is None and workload.name in left:
            run(ledger, cluster, [workload.name], who=who)  # its apply was left as it is: nobody else would take that away
            continue
        requests.drop_staged(ledger, workload.name, actor=who)
