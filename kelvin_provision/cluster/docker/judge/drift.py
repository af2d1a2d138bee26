"""What was changed on Docker Engine since we created a container. Pure.

Image, variables and ports of a container cannot be changed; its limits and restart policy can (`docker update`), and it can be removed.
The engine does not record who did it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from kelvin_provision.cluster.docker.containers import COMMITTED, LiveContainer, container_object, find_serving
from kelvin_provision.cluster.docker.render.container_config import MIN_NANO_CPUS, NANO
from kelvin_provision.cluster.labels import SPEC_HASH
from kelvin_provision.cluster.plan import Drift
from kelvin_provision.spec.workload import Object

LIMITS = {"nano_cpus": "NanoCpus", "cpu_shares": "CpuShares", "memory": "Memory", "memory_reservation": "MemoryReservation"}
"""Our name of each limit, and the engine's."""


def drift(applied: Mapping[str, Sequence[Object]], live: Mapping[str, Sequence[LiveContainer]]) -> Iterator[Drift]:
    """Compares the serving container of each workload with the object that it was created from."""
    for workload, objects in applied.items():
        container = container_object(objects)
        if container is not None:
            yield from _container_drift(workload, container, find_serving(live.get(workload, ())))


def _container_drift(workload: str, container: Object, live: LiveContainer | None) -> Iterator[Drift]:
    name = f"container/{workload}"
    if live is None:
        yield Drift(workload, name)
        return
    if live.spec_hash != container["metadata"]["labels"][SPEC_HASH]:
        return  # another revision of ours serves
    for limit, engine_name in LIMITS.items():
        applied, current = container["spec"]["resources"][limit], live.document["HostConfig"].get(engine_name) or 0
        if applied != current and not (limit == "nano_cpus" and _clamped(applied, current)):
            yield Drift(workload, name, f"spec.resources.{limit}", applied, current)
    if live.restart_policy != COMMITTED:
        yield Drift(workload, name, "restart policy", COMMITTED, live.restart_policy)


def _clamped(applied: int, current: int) -> bool:
    """Whether `create_body` gave it another CPU limit: the engine takes neither less than 0.01 CPU nor more than the box has."""
    return current == MIN_NANO_CPUS if applied < MIN_NANO_CPUS else 0 < current < applied and current % NANO == 0
