"""Which cluster this is, and which of its nodes is this computer. Reads only."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence

from kelvin_provision.cluster.kubernetes import survey
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.survey import ClusterInfo, ClusterState
from kelvin_provision.errors import ClusterRefused
from kelvin_provision.refs import Platform

TYPE = "kubernetes"

SLEEPING = (1, 30)
"""The first Kubernetes that can pause a container before it stops it."""


def info(api: Api, node: str | None) -> ClusterInfo:
    """The server's version and our node: the one of this name, or of our host name, or the only one. Raises ClusterRefused."""
    version = str(api.version().get("gitVersion", ""))
    nodes = {found["metadata"]["name"]: found for found in api.list_objects("v1", "Node", None)}
    name = _ours(node, list(nodes))
    told = nodes[name]["status"]["nodeInfo"]
    here = Platform.of_this_host()
    platform = Platform(told["operatingSystem"], told["architecture"])
    if (here.os, here.architecture) == (platform.os, platform.architecture):
        platform = here  # the kubelet does not tell the variant of an ARM
    return ClusterInfo(TYPE, version, name, platform)


def _ours(node: str | None, names: Sequence[str]) -> str:
    host = socket.gethostname().lower()
    wanted = [node] if node else [host, host.partition(".")[0], *(names if len(names) == 1 else ())]
    for name in wanted:
        if name in names:
            return name
    raise ClusterRefused(f"no node of the cluster is this computer ({wanted[0]}); it has {', '.join(names) or 'none'}")


def sleeps(version: str) -> bool:
    """Whether a server of this version knows `preStop.sleep`."""
    found = re.match(r"v?(\d+)\.(\d+)", version)
    return found is not None and (int(found[1]), int(found[2])) >= SLEEPING


def state(api: Api, namespace: str, known: ClusterInfo) -> ClusterState:
    """See protocol.Cluster.state. The uid of `kube-system` is the cluster's, by custom and for want of another."""
    node = api.get("v1", "Node", known.node) or {}
    system = api.get("v1", "Namespace", "kube-system") or {"metadata": {}}
    home = api.get("v1", "Namespace", namespace)
    phase = str((home.get("status") or {}).get("phase") or "Active") if home else "missing"
    return ClusterState(known, api.server, str(system["metadata"].get("uid", "")), tuple(survey.conditions(node)), phase)
