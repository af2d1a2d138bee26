"""Ports of the node: who wants which, and who has it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from kelvin_provision.cluster.kubernetes.render.objects import containers_of, owner, template_of
from kelvin_provision.cluster.plan import Finding, describe
from kelvin_provision.spec.workload import Object

Port = tuple[str, str, int]
"""`host` or `node`, protocol, number."""


def claims(item: Object) -> Iterator[Port]:
    """The ports that an object, as wanted or live, occupies on the node."""
    if item.get("kind") == "Service":
        for port in (item.get("spec") or {}).get("ports") or ():
            if port.get("nodePort"):
                yield "node", port.get("protocol") or "TCP", port["nodePort"]
    template = template_of(item)
    for container in containers_of(template) if template else ():
        for port in container.get("ports") or ():
            if port.get("hostPort"):
                yield "host", port.get("protocol") or "TCP", port["hostPort"]


def taken(wanted: Mapping[str, Sequence[Object]], live: Iterable[Object]) -> Iterator[Finding]:
    """Ports that two want, or that somebody else has. What a wanted workload has now is its own."""
    holders: dict[Port, str] = {}
    for item in live:
        if owner(item) not in wanted and (item.get("status") or {}).get("phase") not in {"Succeeded", "Failed"}:
            where = item["metadata"].get("namespace", "")
            holders.update(dict.fromkeys(claims(item), f"{describe(item)} in {where}"))
    for workload, objects in wanted.items():
        for item in objects:
            for port in claims(item):
                if port in holders:
                    message = f"{port[0]} port {port[2]}/{port[1]} is taken by {holders[port]}"
                    yield Finding("port-taken", workload, describe(item), message)
                else:
                    holders[port] = f"{describe(item)} of {workload}"


def any_claims(wanted: Mapping[str, Sequence[Object]]) -> bool:
    """Whether it is worth asking the cluster."""
    return any(True for objects in wanted.values() for item in objects for _ in claims(item))
