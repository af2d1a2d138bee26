"""Finds conflicts of host ports and node ports. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from kelvin_provision.cluster.kubernetes.judge.observation import is_alive
from kelvin_provision.cluster.kubernetes.judge.scheduling import fitting
from kelvin_provision.cluster.kubernetes.render.objects import Key, is_of_home, owner, template_of
from kelvin_provision.cluster.plan import Finding, describe
from kelvin_provision.hints import Hint, command
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
    for protocol, number in host_ports(template_of(item) or {}):
        yield "host", protocol, number


def host_ports(template: Object) -> Iterator[tuple[str, int]]:
    """Yield protocol and number of each port that a pod takes of its node. With `hostNetwork` those are all that it declares."""
    spec = template.get("spec") or {}
    at_once = [container for container in spec.get("initContainers") or () if container.get("restartPolicy") == "Always"]
    for container in (*at_once, *(spec.get("containers") or ())):
        for port in container.get("ports") or ():
            number = port.get("hostPort") or (port.get("containerPort") if spec.get("hostNetwork") else None)
            if number:
                yield port.get("protocol") or "TCP", number


def claims_ports(desired: Mapping[str, Sequence[Object]]) -> bool:
    return any(True for objects in desired.values() for item in objects for _ in port_claims(item))


def claims_node_ports(desired: Mapping[str, Sequence[Object]]) -> bool:
    return any(kind == "node" for objects in desired.values() for item in objects for kind, _, _ in port_claims(item))


def released(desired: Mapping[str, Sequence[Object]], live: Iterable[Object], home: str) -> Iterator[Object]:
    """Yield live Services of the desired workloads of this box that have a node port which another desired object takes over."""
    claims = {(workload, Key.of(item)): set(port_claims(item)) for workload, objects in desired.items() for item in objects}
    for item in live:
        own = (owner(item) or "", Key.of(item))
        given = set(port_claims(item)) - claims.get(own, set())
        if own[0] in desired and is_of_home(item, home) and given & _taken_by_others(claims, own):
            yield item


def _taken_by_others(claims: Mapping[tuple[str, Key], set[PortClaim]], without: tuple[str, Key]) -> set[PortClaim]:
    return {claim for key, each in claims.items() if key != without for claim in each if claim[0] == "node"}


def stopped_for_host_ports(desired: Mapping[str, Sequence[Object]], pods: Callable[[str], Iterable[Object]]) -> Iterator[str]:
    """Yield workloads without desired objects of which another one takes over a host port. `pods`: those of a workload."""
    taken = {claim for objects in desired.values() for item in objects for claim in port_claims(item) if claim[0] == "host"}
    for workload, objects in desired.items():
        if taken and not objects and any(taken & set(port_claims(item)) for item in pods(workload)):
            yield workload


def frees(item: Object, desired: Mapping[str, Sequence[Object]], live: Sequence[Object], home: str) -> bool:
    """Whether every node port of the item that a live Service has is given back before the item is applied."""
    given = list(released(desired, live, home))
    needed = set(port_claims(item))
    holders = [service for service in live if Key.of(service) != Key.of(item) and needed & set(port_claims(service))]
    return bool(holders) and all(holder in given for holder in holders)


def conflicts_in_cluster(
    desired: Mapping[str, Sequence[Object]], live: Iterable[Object], nodes: Sequence[Object] = ()
) -> Iterator[Finding]:
    """Find ports that two desired objects claim, or that an object outside of the desired workloads has.

    With the cluster's nodes, a host port is taken only if it is so on every node that the pods may run on.
    """
    holders: dict[PortClaim, dict[str, _Holder]] = {}
    movable: dict[PortClaim, list[_Movable]] = {}
    for item in live:
        if owner(item) not in desired and is_alive(item):
            node, holder = (item.get("spec") or {}).get("nodeName") or "", _Holder.of(item)
            for claim in port_claims(item):
                holders.setdefault(claim, {})[node] = holder
    for workload, objects in desired.items():
        for item in objects:
            for claim in port_claims(item):
                kind, protocol, number = claim
                own = _Holder(f"{describe(item)} of workload {workload}")
                taken = _in_the_way(item, kind, holders.get(claim) or {}, nodes)
                free = _free(item, kind, holders.get(claim) or {}, nodes)
                if not taken and free:
                    taken = _placed(_Movable(own, free), movable.setdefault(claim, []), every=item.get("kind") == "DaemonSet")
                elif not taken:
                    holders[claim] = {"": own}
                if taken:
                    text = f"{kind} port {number}/{protocol} is taken by {taken.text}"
                    yield Finding("port-taken", workload, describe(item), text, taken.hint)


class _Holder(NamedTuple):
    """Who has a port, and what gives it back."""

    text: str
    hint: Hint | str = ""

    @classmethod
    def of(cls, item: Object) -> _Holder:
        """A stopped workload keeps its Services, so stopping it does not help."""
        workload = owner(item)
        hint = command("workloads undeploy", names=(workload,), note="or deploy with another port") if workload else ""
        return cls(f"{describe(item)} in namespace {item['metadata'].get('namespace', '')}", hint)


class _Movable(NamedTuple):
    """Who gets a port on one of these nodes, as the scheduler likes."""

    holder: _Holder
    nodes: tuple[str, ...]


def _in_the_way(item: Object, kind: str, holders: Mapping[str, _Holder], nodes: Sequence[Object]) -> _Holder | None:
    """`holders` by node; one without a node is in the way everywhere."""
    holder = next(iter(holders.values()), None)
    if holder is None or kind != "host" or "" in holders or not nodes:
        return holder
    candidates = set(_candidates(item, nodes))
    return next((holders[name] for name in sorted(candidates & holders.keys())), None) if candidates <= holders.keys() else None


def _free(item: Object, kind: str, holders: Mapping[str, _Holder], nodes: Sequence[Object]) -> tuple[str, ...]:
    """The nodes on which a pod could still have its host port; empty where nodes make no difference."""
    return tuple(name for name in _candidates(item, nodes) if name not in holders) if kind == "host" else ()


def _candidates(item: Object, nodes: Sequence[Object]) -> list[str]:
    return [node["metadata"]["name"] for node in fitting(nodes, (template_of(item) or {}).get("spec") or {})]


def _placed(new: _Movable, others: list[_Movable], *, every: bool) -> _Holder | None:
    """Add it if all of them find a node of their own; otherwise return one that is in its way. `every`: it has a pod on each node."""
    added = [new._replace(nodes=(name,)) for name in new.nodes] if every else [new]
    if _fit_together([*others, *added]):
        others += added
        return None
    return next((other.holder for other in others if {*other.nodes} & {*new.nodes}), new.holder)


def _fit_together(movables: Sequence[_Movable]) -> bool:
    """A matching of pods and nodes, by augmenting paths."""
    chosen: dict[str, int] = {}

    def place(index: int, tried: set[str]) -> bool:
        for name in movables[index].nodes:
            if name not in tried:
                tried.add(name)
                if name not in chosen or place(chosen[name], tried):
                    chosen[name] = index
                    return True
        return False

    return all(place(index, set()) for index in range(len(movables)))


def conflicts_on_node(
    desired: Mapping[str, Sequence[Object]],
    services: Sequence[Object],
    listening: ListeningPorts,
    node: str = "",
    nodes: Sequence[Object] = (),
) -> Iterator[Finding]:
    """Find claimed ports on which a program of this node listens. It may be kube-proxy, for a Service that has the port already.

    With the cluster's nodes, a host port of pods that never come to `node`, which is this one, is no matter of its programs.
    """
    held = {claim[1:] for item in services if owner(item) in desired for claim in port_claims(item)}
    for workload, objects in desired.items():
        for item in objects:
            for kind, protocol, number in port_claims(item):
                elsewhere = kind == "host" and bool(nodes) and node not in _candidates(item, nodes)
                if (number, protocol.lower()) in listening and (protocol, number) not in held and not elsewhere:
                    message = f"{kind} port {number}/{protocol} is taken by another program on this box"
                    yield Finding("port-taken", workload, describe(item), message)
