"""Compares what new pods request with what is free on the nodes that may take them. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from kelvin_provision.cluster import quantities
from kelvin_provision.cluster.kubernetes.judge.interruptions import recreates
from kelvin_provision.cluster.kubernetes.judge.observation import is_alive
from kelvin_provision.cluster.kubernetes.render.objects import owner, template_of
from kelvin_provision.cluster.survey import ResourceDemand
from kelvin_provision.spec.workload import Object

RESOURCES = ("cpu", "memory", "pods")

Amounts = dict[str, float]


def pod_requests(spec: Object) -> Amounts:
    """Add up requests as the scheduler does: what runs at the same time, at the moment when that is most.

    A restartable init container (a sidecar) runs on beside those that follow, and beside all containers. What the pod requests as a whole
    (`spec.resources`) stands in place of the sum.
    """
    sidecars: Amounts = {}
    peaks: list[Amounts] = []
    for container in spec.get("initContainers") or ():
        together = _sum([sidecars, _requests(container)])
        peaks.append(together)
        if container.get("restartPolicy") == "Always":
            sidecars = together
    peaks.append(_sum([sidecars, *(_requests(container) for container in spec.get("containers") or ())]))
    total = {name: max(peak.get(name, 0.0) for peak in peaks) for name in {name for peak in peaks for name in peak}}
    return _sum([total | _pod_level(spec, total), _amounts(spec.get("overhead") or {}), {"pods": 1.0}])


def _pod_level(spec: Object, total: Amounts) -> Amounts:
    """A limit of the pod is its request only where no container requests that resource."""
    resources = spec.get("resources") or {}
    limits, requests = _amounts(resources.get("limits") or {}), _amounts(resources.get("requests") or {})
    return {name: value for name, value in limits.items() if name not in total} | requests


def resource_demands(desired: Mapping[str, Sequence[Object]], pods: Iterable[Object], *nodes: Object) -> tuple[ResourceDemand, ...]:
    """Return one entry for each requested resource. Old pods keep running beside new ones, unless they are deleted first.

    `pods` are all of these nodes, which are reckoned together: which of them takes a pod is the scheduler's to decide.
    """
    pods = [pod for pod in pods if is_alive(pod)]
    used = _sum(pod_requests(pod.get("spec") or {}) for pod in pods)
    old: dict[str | None, list[Object]] = {}
    for pod in pods:
        old.setdefault(owner(pod), []).append(pod)
    requested = _sum(_workload_requests(objects, old.get(name, ())) for name, objects in desired.items())
    allocatable = _sum(_amounts((node.get("status") or {}).get("allocatable") or {}) for node in nodes)
    return tuple(
        ResourceDemand(name, requested[name], allocatable.get(name, 0.0) - used.get(name, 0.0)) for name in RESOURCES if requested.get(name)
    )


def _requests(container: Object) -> Amounts:
    resources = container.get("resources") or {}
    return _amounts((resources.get("limits") or {}) | (resources.get("requests") or {}))  # the limit is the default of the request


def _amounts(values: Mapping[str, object]) -> Amounts:
    """Parse quantities. An invalid one counts 0, as the server rejects it anyway."""
    return {name: float(quantities.parse(str(value)) or 0) for name, value in values.items()}


def _workload_requests(objects: Sequence[Object], old_pods: Sequence[Object]) -> Amounts:
    """Requests of the new pods; less those of the old pods, if these are deleted first."""
    templates = [(item, template) for item in objects if (template := template_of(item))]
    new = _sum(
        {name: value * _pod_count(item, running=bool(old_pods)) for name, value in pod_requests(template.get("spec") or {}).items()}
        for item, template in templates
    )
    if any(_deletes_first(item) for item in objects):
        freed = _sum(pod_requests(pod.get("spec") or {}) for pod in old_pods)
        return {name: max(0.0, value - freed.get(name, 0.0)) for name, value in new.items()}
    return new


def _deletes_first(item: Object) -> bool:
    return item.get("kind") in {"StatefulSet", "DaemonSet"} or recreates(item)


def _pod_count(item: Object, *, running: bool) -> float:
    """The largest number of new pods at one time. `running`: the workload has pods already."""
    spec = item.get("spec") or {}
    if item.get("kind") == "DaemonSet":
        return 1.0
    replicas = float(spec.get("replicas", 1)) if item.get("kind") in {"Deployment", "StatefulSet", "ReplicaSet"} else 1.0
    if item.get("kind") != "Deployment" or not running or _deletes_first(item):
        return replicas
    surge = ((spec.get("strategy") or {}).get("rollingUpdate") or {}).get("maxSurge", "25%")
    is_percentage = isinstance(surge, str) and surge.endswith("%")
    return min(replicas, math.ceil(replicas * float(surge.rstrip("%")) / 100) if is_percentage else float(surge))


def _sum(many: Iterable[Amounts]) -> Amounts:
    total: Amounts = {}
    for amounts in many:
        for name, value in amounts.items():
            total[name] = total.get(name, 0.0) + value
    return total
