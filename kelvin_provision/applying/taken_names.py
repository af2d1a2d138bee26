"""The names of additional images that stand for another image: one of another workload, or of another client of the runtime."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress

from kelvin_provision.applying.assess import TakenName
from kelvin_provision.errors import ProvisionError
from kelvin_provision.images.local_names import on_cluster
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.local_names import local_names
from kelvin_provision.ledger.model.workloads import Revision
from kelvin_provision.runtimes.protocol import Runtime
from kelvin_provision.spec.lock import ImageLock

Holders = dict[str, tuple[str, ImageLock]]
"""By name: the workload that needs it, and for which image."""


def taken_names(
    ledger: Ledger, runtime: Callable[[], Runtime], revisions: Sequence[Revision], gone: Sequence[str] = ()
) -> Iterator[TakenName]:
    """Every name at most once per workload. A runtime that does not answer is a finding of the images. `gone` are workloads that go."""
    needed = [(revision.workload, name, lock) for revision in revisions for name, lock in revision.local_names.items()]
    if not needed:
        return
    holders, taken = _others(ledger, {*gone, *(revision.workload for revision in revisions)}), set[str]()
    for workload, name, lock in needed:
        holder, held = holders.setdefault(name, (workload, lock))
        if held.root.digest != lock.root.digest:
            taken.add(name)
            yield TakenName(workload, name, f"{workload} needs {lock.root.digest} under this name, and {holder} needs {held.root.digest}")
    with suppress(ProvisionError):
        yield from _of_other_clients(ledger, runtime(), [need for need in needed if need[1] not in taken])


def _others(ledger: Ledger, changing: Collection[str]) -> Holders:
    others = (revision for revision in on_cluster(ledger)[0] if revision.workload not in changing)
    return {name: (revision.workload, lock) for revision in others for name, lock in revision.local_names.items()}


def _of_other_clients(ledger: Ledger, runtime: Runtime, needed: Sequence[tuple[str, str, ImageLock]]) -> Iterator[TakenName]:
    """What this program has set is its own, also if another client moved it since: the agent sets it again."""
    ours = {row.name for row in local_names(ledger)}
    for name, digest in runtime.targets([name for _, name, _ in needed if name not in ours]).items():
        for workload, other, lock in needed:
            known = {blob.digest for blob in lock.blobs()}  # a pull names the index of the same image
            if other == name and digest not in known:
                yield TakenName(workload, name, f"is the name of another image in the runtime, {digest}, which this program did not import")
