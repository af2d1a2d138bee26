"""Checks what a plan does not: permissions, capacity, pull policies, ports of other programs. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress

from kelvin_provision.cluster.kubernetes.api.errors import Rejected
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.identity import at_least
from kelvin_provision.cluster.kubernetes.judge import permissions
from kelvin_provision.cluster.kubernetes.judge.capacity import resource_demands
from kelvin_provision.cluster.kubernetes.judge.images import always_verified, image_uses
from kelvin_provision.cluster.kubernetes.judge.ports import ListeningPorts, claims_ports, conflicts_on_node
from kelvin_provision.cluster.kubernetes.judge.scheduling import fitting, unplaceable
from kelvin_provision.cluster.kubernetes.render.objects import namespace_of, template_of
from kelvin_provision.cluster.survey import ClusterInfo, ResourceDemand, Survey
from kelvin_provision.errors import ClusterDenied, ProvisionError
from kelvin_provision.spec.workload import Object

VERIFIES_CREDENTIALS = (1, 33)
"""From this version on, a kubelet can be configured to verify with which credentials an image was pulled (KEP-2535)."""


def survey(
    api: Api, namespace: str, info: ClusterInfo, desired: Mapping[str, Sequence[Object]], listening: Callable[[], ListeningPorts]
) -> Survey:
    """Needs four to six requests, and two more for each further namespace. `listening` is called only if an object claims a port."""
    denied, allowed = _permissions(api, namespace, desired)
    resources: tuple[ResourceDemand, ...] = ()
    nodes: list[Object] = []
    names: set[str] = set()
    try:
        nodes = api.list_objects("v1", "Node", None)
        candidates = _candidates(desired, nodes, info.node)
        names = {node["metadata"]["name"] for node in candidates}
        pods = api.list_objects("v1", "Pod", None, fields=f"spec.nodeName={info.node}" if len(names) == 1 else "")
        there = [pod for pod in pods if len(names) == 1 or (pod.get("spec") or {}).get("nodeName") in names]
        resources = resource_demands(desired, there, *candidates)
    except ClusterDenied:
        denied.append("list pods of all namespaces (free capacity is unknown)")
    places = _namespaces(namespace, desired)
    claims = claims_ports(desired)
    services = [item for place in places for item in api.list_objects("v1", "Service", place)] if claims else []
    images = tuple(use for workload, objects in desired.items() for use in image_uses(workload, objects))
    verifies = at_least(info.version, VERIFIES_CREDENTIALS)
    unplaced = [unplaceable(workload, item, nodes) for workload, objects in desired.items() for item in objects]
    return Survey(
        images=images,
        resources=resources,
        room_of=tuple(sorted(names)),
        denied=tuple(denied),
        allowed=allowed,
        port_conflicts=tuple(conflicts_on_node(desired, services, listening() if claims else (), info.node, nodes)),
        verifies_credentials=verifies,
        unplaceable=tuple(filter(None, unplaced)),
        always_verified=always_verified(images, _kubelet_settings(api, info.node)) if verifies else frozenset(),
    )


def _candidates(desired: Mapping[str, Sequence[Object]], nodes: Sequence[Object], ours: str) -> list[Object]:
    """The nodes that may take pods of these objects; ours where no other one does."""
    pods = [(template.get("spec") or {}) for objects in desired.values() for item in objects if (template := template_of(item))]
    names = {node["metadata"]["name"] for pod in pods for node in fitting(nodes, pod)}
    return [node for node in nodes if node["metadata"]["name"] in (names or {ours})]


def _kubelet_settings(api: Api, node: str) -> Object:
    """Empty where we may not read them."""
    with suppress(ProvisionError, Rejected):
        return api.node_settings(node)
    return {}


def _namespaces(home: str, desired: Mapping[str, Sequence[Object]]) -> list[str]:
    """The box's is the first."""
    named = {namespace_of(item) for objects in desired.values() for item in objects}
    return [home, *sorted(named - {"", home})]


def _permissions(api: Api, home: str, desired: Mapping[str, Sequence[Object]]) -> tuple[list[str], int]:
    """Return descriptions of the missing permissions, and the number of those that we have."""
    missing: list[str] = []
    number = 0
    for namespace in _namespaces(home, desired):
        objects = [item for group in desired.values() for item in group if (namespace_of(item) or home) == namespace]
        needed = permissions.needed(_resources(api, objects))
        lacking = _missing(api, namespace, needed)
        where = "" if namespace == home else f" in namespace {namespace}"
        missing += [f"{line}{where}" for line in permissions.describe_permissions(lacking)]
        number += len(needed) - len(lacking)
    return missing, number


def _missing(api: Api, namespace: str, needed: Sequence[permissions.Permission]) -> list[permissions.Permission]:
    """One review lists the rules of a namespace. Permissions that it may not cover, because it is incomplete or the resource is not
    namespaced, are reviewed one by one.
    """
    status = api.create(permissions.rules_review(namespace), namespace).get("status") or {}
    rules, is_complete = status.get("resourceRules") or [], not status.get("incomplete")
    return [
        permission
        for permission in needed
        if not (permission.namespaced and permissions.granted(permission, rules))
        and ((permission.namespaced and is_complete) or not _allowed(api, permission, namespace))
    ]


def _allowed(api: Api, permission: permissions.Permission, namespace: str) -> bool:
    return bool((api.create(permissions.access_review(permission, namespace), namespace).get("status") or {}).get("allowed"))


def _resources(api: Api, objects: Sequence[Object]) -> Iterator[tuple[str, str, bool]]:
    for version, kind in dict.fromkeys((item["apiVersion"], item["kind"]) for item in objects):
        try:
            plural, namespaced = api.plural(version, kind)
        except Rejected:
            continue  # the plan reports unknown kinds
        yield version.rpartition("/")[0], plural, namespaced
