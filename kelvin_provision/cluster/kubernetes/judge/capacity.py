"""Room for new pods on our node: what they ask for against what is left. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from kelvin_provision.cluster import quantities
from kelvin_provision.cluster.kubernetes.render.objects import owner, template_of
from kelvin_provision.cluster.survey import ResourceDemand
from kelvin_provision.spec.workload import Object

RESOURCES = ("cpu", "memory", "pods")
_ENDED = {"Succeeded", "Failed"}
Amounts = dict[str, float]


def amount(text: object) -> float:
    """The value of a quantity; 0 for what is not one, which the server refuses by itself."""
    return float(quantities.parse(str(text)) or 0)


def asked(spec: Object) -> Amounts:
    """What one pod asks for: its containers together, or the greediest of those that only prepare; a limit counts where no request is."""
    total = _sum(_requests(container) for container in spec.get("containers") or ())
    for container in spec.get("initContainers") or ():
        one = _requests(container)
        total = {name: max(total.get(name, 0.0), one.get(name, 0.0)) for name in {*total, *one}}
    return _sum([total, {name: amount(value) for name, value in (spec.get("overhead") or {}).items()}, {"pods": 1.0}])


def _requests(container: Object) -> Amounts:
    given = container.get("resources") or {}
    return {name: amount(value) for name, value in ((given.get("limits") or {}) | (given.get("requests") or {})).items()}


def rooms(wanted: Mapping[str, Sequence[Object]], pods: Iterable[Object], node: Object) -> tuple[ResourceDemand, ...]:
    """For each resource that somebody asks for. While they change, old pods stay beside the new ones, unless these come after them."""
    pods = [pod for pod in pods if (pod.get("status") or {}).get("phase") not in _ENDED]
    used = _sum(asked(pod.get("spec") or {}) for pod in pods)
    needed: Amounts = {}
    for workload, objects in wanted.items():
        old = [pod for pod in pods if owner(pod) == workload]
        needed = _sum([needed, _workload(objects, old)])
    there = {name: amount(value) for name, value in ((node.get("status") or {}).get("allocatable") or {}).items()}
    return tuple(ResourceDemand(name, needed[name], there.get(name, 0.0) - used.get(name, 0.0)) for name in RESOURCES if needed.get(name))


def _workload(objects: Sequence[Object], old: Sequence[Object]) -> Amounts:
    new = _sum(
        _scaled(asked((template_of(item) or {}).get("spec") or {}), _count(item, beside=bool(old))) for item in objects if template_of(item)
    )
    if any(_replaces(item) for item in objects):
        before = _sum(asked(pod.get("spec") or {}) for pod in old)
        return {name: max(0.0, value - before.get(name, 0.0)) for name, value in new.items()}
    return new


def _replaces(item: Object) -> bool:
    strategy = ((item.get("spec") or {}).get("strategy") or {}).get("type")
    return item.get("kind") in {"StatefulSet", "DaemonSet"} or strategy == "Recreate"


def _count(item: Object, *, beside: bool) -> float:
    """How many new pods there are at the same time, at the most; `beside`: pods of the workload run already."""
    spec = item.get("spec") or {}
    if item.get("kind") == "DaemonSet":
        return 1.0
    replicas = float(spec.get("replicas", 1)) if item.get("kind") in {"Deployment", "StatefulSet", "ReplicaSet"} else 1.0
    if item.get("kind") != "Deployment" or not beside or _replaces(item):
        return replicas
    surge = ((spec.get("strategy") or {}).get("rollingUpdate") or {}).get("maxSurge", "25%")
    share = math.ceil(replicas * float(surge.rstrip("%")) / 100) if isinstance(surge, str) and surge.endswith("%") else float(surge)
    return min(replicas, share)


def _scaled(amounts: Amounts, times: float) -> Amounts:
    return {name: value * times for name, value in amounts.items()}


def _sum(many: Iterable[Amounts]) -> Amounts:
    total: Amounts = {}
    for name, value in _each(many):
        total[name] = total.get(name, 0.0) + value
    return total


def _each(many: Iterable[Amounts]) -> Iterator[tuple[str, float]]:
    for amounts in many:
        yield from amounts.items()
