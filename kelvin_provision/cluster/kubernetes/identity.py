"""Identifies the cluster and the node that is this box, and reads the conditions of that node."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress

from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.render.objects import HOSTNAME
from kelvin_provision.cluster.survey import ClusterInfo, ClusterState, Condition
from kelvin_provision.errors import ClusterDenied, ClusterRefused
from kelvin_provision.hints import system
from kelvin_provision.refs import Platform
from kelvin_provision.spec.workload import Object

TYPE = "kubernetes"
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
