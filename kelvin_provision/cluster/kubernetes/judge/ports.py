"""Finds conflicts of host ports and node ports. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from kelvin_provision.cluster.kubernetes.judge.observation import is_alive
from kelvin_provision.cluster.kubernetes.render.objects import containers_of, owner, template_of
from kelvin_provision.cluster.plan import Finding, describe
from kelvin_provision.spec.workload import Object

PortClaim = tuple[str, str, int]
"""`host` or `node`, the protocol, and the number."""

ListeningPorts = Collection[tuple[int, str]]
"""Pairs of number and protocol in lower case."""


def port_claims(item: Object) -> Iterator[PortClaim]:
    """Yield the ports that a desired or live object claims."""
    if item.get("kind") == "Service":
        for port in (item.get("spec") or {}).get("ports") or ():
            if port.get("nodePort"):
                yield "node", port.get("protocol") or "TCP", port["nodePort"]
    template = template_of(item)
    for container in containers_of(template) if template else ():
        for port in container.get("ports") or ():
            if port.get("hostPort"):
                yield "host", port.get("protocol") or "TCP", port["hostPort"]


def claims_ports(desired: Mapping[str, Sequence[Object]]) -> bool:
    return any(True for objects in desired.values() for item in objects for _ in port_claims(item))


def conflicts_in_cluster(desired: Mapping[str, Sequence[Object]], live: Iterable[Object]) -> Iterator[Finding]:
    """Find ports that two desired objects claim, or that an object outside of the desired workloads has."""
    holders: dict[PortClaim, str] = {}
    for item in live:
        if owner(item) not in desired and is_alive(item):
            namespace = item["metadata"].get("namespace", "")
            holders.update(dict.fromkeys(port_claims(item), f"{describe(item)} in namespace {namespace}"))
    for workload, objects in desired.items():
        for item in objects:
            for claim in port_claims(item):
                kind, protocol, number = claim
                if claim in holders:
                    yield Finding("port-taken", workload, describe(item), f"{kind} port {number}/{protocol} is taken by {holders[claim]}")
                else:
                    holders[claim] = f"{describe(item)} of workload {workload}"


def conflicts_on_node(desired: Mapping[str, Sequence[Object]], services: Sequence[Object], listening: ListeningPorts) -> Iterator[Finding]:
    """Find claimed ports on which a program of this node listens. It may be kube-proxy, for a Service that has the port already."""
    held = {(owner(item), *claim[1:]) for item in services for claim in port_claims(item)}
    for workload, objects in desired.items():
        for item in objects:
            for kind, protocol, number in port_claims(item):
                if (number, protocol.lower()) in listening and (workload, protocol, number) not in held:
                    message = f"{kind} port {number}/{protocol} is taken by another program on this box"
                    yield Finding("port-taken", workload, describe(item), message)
