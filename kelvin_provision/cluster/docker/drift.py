"""What somebody else has changed on Docker Engine since we created a container. Pure.

A container's image, variables and ports are never changed once it is there; its limits and restart policy are (`docker update`),
and it can be removed. The engine does not know who did it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from kelvin_provision.cluster.docker.creating import LEAST, NANO
from kelvin_provision.cluster.docker.live import COMMITTED, Live, container_of
from kelvin_provision.cluster.labels import SPEC_HASH
from kelvin_provision.cluster.plan import Drift
from kelvin_provision.spec.workload import Object

LIMITS = {"nano_cpus": "NanoCpus", "cpu_shares": "CpuShares", "memory": "Memory", "memory_reservation": "MemoryReservation"}


def drift(applied: Mapping[str, Sequence[Object]], live: Mapping[str, Sequence[Live]]) -> Iterator[Drift]:
    """For every workload, the container that answers for it beside what it was created from."""
    for workload, objects in applied.items():
        container = container_of(objects)
        if container is not None:
            serving = next((one for one in live.get(workload, ()) if one.serving), None)
            yield from _container(workload, container, serving)


def _container(workload: str, container: Object, live: Live | None) -> Iterator[Drift]:
    what = f"container/{workload}"
    if live is None:
        yield Drift(workload, what)
        return
    if live.spec_hash != container["metadata"]["labels"][SPEC_HASH]:
        return  # another revision of ours stands there
    for name, theirs in LIMITS.items():
        wanted, found = container["spec"]["resources"][name], live.inspect["HostConfig"].get(theirs) or 0
        if wanted != found and not (name == "nano_cpus" and _cut(wanted, found)):
            yield Drift(workload, what, f"spec.resources.{name}", wanted, found)
    if live.policy != COMMITTED:
        yield Drift(workload, what, "restart policy", COMMITTED, live.policy)


def _cut(wanted: int, found: int) -> bool:
    """Whether it was ours to give it less or more: the engine takes neither less than a hundredth of a CPU nor more than all of them."""
    return found == LEAST if wanted < LEAST else 0 < found < wanted and found % NANO == 0
