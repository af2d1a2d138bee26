"""Identifies the cluster and the node that is this box; reads its nodes, and marks those that have images."""

from __future__ import annotations

import re
import socket
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress

from kelvin_provision.cluster.kubernetes.api.errors import Rejected
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.judge import places as judging
from kelvin_provision.cluster.kubernetes.judge.scheduling import taints
from kelvin_provision.cluster.kubernetes.render.objects import HOSTNAME
from kelvin_provision.cluster.labels import MARK
from kelvin_provision.cluster.nodes import ClusterNode, Place
from kelvin_provision.cluster.survey import ClusterInfo, ClusterState, Condition
from kelvin_provision.errors import ClusterDenied, ClusterRefused
from kelvin_provision.hints import system
from kelvin_provision.refs import Platform
from kelvin_provision.spec.workload import Object

TYPE = "kubernetes"
NODE = ("v1", "Node")
PRE_STOP_SLEEP = (1, 30)
"""The first version that has `preStop.sleep`."""
HEALTHY_WHEN_TRUE = frozenset({"Ready"})
STANDARD_CONDITIONS = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")


def cluster_info(api: Api, node: str | None) -> ClusterInfo:
    """Raises ClusterRefused if no node of the cluster is this box."""
    version = str(api.version().get("gitVersion", ""))
    nodes = {item["metadata"]["name"]: item for item in api.list_objects("v1", "Node", None)}
    name = our_node(node, {name: host_label(item) for name, item in nodes.items()}, socket.gethostname().lower())
    reported = nodes[name]["status"]["nodeInfo"]
    platform, host = Platform(reported["operatingSystem"], reported["architecture"]), Platform.of_this_host()
    if (host.os, host.architecture) == (platform.os, platform.architecture):
        platform = host  # the kubelet does not report the ARM variant
    return ClusterInfo(TYPE, version, name, platform, host_label(nodes[name]))


def host_label(node: Object) -> str:
    """The value that pins a pod to this node. It is the host's name by default, also where the node has another name."""
    return str((node["metadata"].get("labels") or {}).get(HOSTNAME) or "")


def our_node(configured: str | None, labels: Mapping[str, str], host: str) -> str:
    """Choose the configured node, the node of our host name, or the only node, in this order. `labels`: that of the host by node."""
    hosts = {label: name for name, label in labels.items() if label}
    candidates = [configured] if configured else [host, host.partition(".")[0], *(labels if len(labels) == 1 else ())]
    for candidate in candidates:
        name = candidate if candidate in labels else hosts.get(candidate)
        if name is not None:
            return name
    nodes = ", ".join(labels) or "none"
    raise ClusterRefused(f"this box ({candidates[0]}) is not a node of the cluster; the nodes of the cluster are {nodes}")


def cluster_state(api: Api, namespace: str, info: ClusterInfo) -> ClusterState:
    """See protocol.Cluster.state. The uid of `kube-system` identifies the cluster; Kubernetes has no other identifier."""
    node = api.get("v1", "Node", info.node) or {}
    system = api.get("v1", "Namespace", "kube-system") or {"metadata": {}}
    own_namespace = api.get("v1", "Namespace", namespace)
    phase = str((own_namespace.get("status") or {}).get("phase") or "Active") if own_namespace else "missing"
    return ClusterState(info, api.server, str(system["metadata"].get("uid", "")), tuple(node_conditions(node)), phase)


def node_ports(api: Api) -> dict[int, str]:
    """See protocol.Cluster.node_ports: Services of all namespaces, with those that get one by themselves (type LoadBalancer)."""
    taken = {}
    with suppress(ClusterDenied):
        for service in api.list_objects("v1", "Service", None):
            name = f"{service['metadata'].get('namespace', '')}/{service['metadata']['name']}"
            ports = [port.get("nodePort") for port in service["spec"].get("ports") or ()]
            taken.update({int(port): name for port in (*ports, service["spec"].get("healthCheckNodePort")) if port})
    return taken


def node_conditions(node: Object) -> Iterator[Condition]:
    """Yield the standard conditions first, and at the end one for a cordoned node."""
    reported = {item.get("type"): item for item in (node.get("status") or {}).get("conditions") or ()}
    name = (node.get("metadata") or {}).get("name", "")
    standard = [kind for kind in STANDARD_CONDITIONS if kind in reported]
    for kind in [*standard, *(kind for kind in reported if kind not in STANDARD_CONDITIONS)]:
        item = reported[kind]
        healthy = item.get("status") == ("True" if kind in HEALTHY_WHEN_TRUE else "False")
        message = "" if healthy else str(item.get("message") or item.get("reason") or item.get("status"))
        yield Condition(str(kind), healthy, message, hint=system("kubectl", "describe", "node", name))
    if (node.get("spec") or {}).get("unschedulable"):
        message = "it is cordoned: no new pod is scheduled on it"
        yield Condition("Schedulable", healthy=False, message=message, critical=False, hint=system("kubectl", "uncordon", name))


def at_least(version: str, minimum: tuple[int, int]) -> bool:
    """Compare a version such as `v1.33.1+k3s1`. False if it cannot be parsed."""
    match = re.match(r"v?(\d+)\.(\d+)", version)
    return match is not None and (int(match[1]), int(match[2])) >= minimum


# --- the nodes ----------------------------------------------------------------------------------------


def nodes(api: Api, home: str) -> tuple[ClusterNode, ...]:
    """In the order of their names."""
    return tuple(sorted((_node(item, home) for item in api.list_objects(*NODE, None)), key=lambda node: node.name))


def places(api: Api, home: str, desired: Mapping[str, Sequence[Object]]) -> tuple[Place, ...]:
    """See protocol.Cluster.places. Claims and volumes are read only where pods have some."""
    needed = {claim for objects in desired.values() for item in objects for claim in judging.claims(item, home)}
    claims = [
        item for namespace in sorted({each for each, _ in needed}) for item in api.list_objects("v1", "PersistentVolumeClaim", namespace)
    ]
    volumes = api.list_objects("v1", "PersistentVolume", None) if claims else []
    return judging.places(desired, api.list_objects(*NODE, None), judging.bound(claims, volumes), home)


def mark_nodes(api: Api, home: str, marks: Mapping[str, Collection[str]]) -> None:
    """See protocol.Cluster.mark_nodes. A node that leaves meanwhile needs none."""
    for node in api.list_objects(*NODE, None, metadata=True):
        name, labels = node["metadata"]["name"], node["metadata"].get("labels") or {}
        has = set(_marks(labels, home))
        desired = set(marks.get(name, ()))
        changes: dict[str, str | None] = {key: home for key in desired if labels.get(key) != home} | dict.fromkeys(has - desired)
        if changes:
            _label(api, name, changes)


def _label(api: Api, name: str, changes: Mapping[str, str | None]) -> None:
    try:
        api.patch({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": changes}}, "")
    except Rejected as error:
        if error.code != "missing":
            raise


def _marks(labels: Mapping[str, str], home: str) -> tuple[str, ...]:
    """Those of this box. A label with another value selects no pod of ours."""
    return tuple(sorted(key for key, value in labels.items() if key.startswith(MARK) and value == home))


def _node(item: Object, home: str) -> ClusterNode:
    metadata, status = item["metadata"], item.get("status") or {}
    reported = status.get("nodeInfo") or {}
    conditions = {each.get("type"): each.get("status") for each in status.get("conditions") or ()}
    return ClusterNode(
        metadata["name"],
        Platform(str(reported.get("operatingSystem") or ""), str(reported.get("architecture") or "")),
        metadata.get("labels") or {},
        host_label(item),
        ready=conditions.get("Ready") == "True",
        schedulable=not (item.get("spec") or {}).get("unschedulable"),
        taints=tuple(f"{taint['key']}{f'={value}' if (value := taint.get('value')) else ''}:{taint['effect']}" for taint in taints(item)),
        marks=_marks(metadata.get("labels") or {}, home),
    )
