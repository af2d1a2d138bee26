"""Gives node ports back before another workload of the same apply takes them: the server lets no two Services have one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.judge.ports import claims_node_ports, released
from kelvin_provision.cluster.labels import OWNER
from kelvin_provision.spec.workload import Object


def release(api: Api, namespace: str, desired: Mapping[str, Sequence[Object]]) -> None:
    """The Services keep their address inside the cluster until they are updated or removed with their workload. May be repeated."""
    if not claims_node_ports(desired):
        return
    for service in released(desired, api.list_objects("v1", "Service", None, OWNER), namespace):
        ports = [{key: value for key, value in port.items() if key != "nodePort"} for port in service["spec"]["ports"]]
        spec = {"type": "ClusterIP", "externalTrafficPolicy": None, "ports": ports}
        patch: Object = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": service["metadata"]["name"]}, "spec": spec}
        api.patch(patch, service["metadata"].get("namespace") or namespace)
