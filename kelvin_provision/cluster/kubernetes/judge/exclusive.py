"""Resources that two pods of one object cannot share on a node, and whether its pods can come up despite them. Pure.

A rolling update starts a new pod before it stops an old one. Where both need the same host port of the only node, the new one waits
for the old one and the old one for the new one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from kelvin_provision.cluster.kubernetes.judge.ports import host_ports
from kelvin_provision.cluster.kubernetes.judge.scheduling import fitting, matches
from kelvin_provision.cluster.kubernetes.render.objects import template_hash, template_of
from kelvin_provision.cluster.plan import describe
from kelvin_provision.spec.workload import Object

REPLICATED = frozenset({"Deployment", "StatefulSet", "ReplicaSet", "ReplicationController"})
CLUSTER = "cluster"


class Exclusive(NamedTuple):
    """What only one pod at a time can have on each node; with `domain`, in each topology domain of this node label, or in the cluster."""

    what: str
    domain: str = ""


class Deadlock(NamedTuple):
    """Why pods can never come up, and what to write instead."""

    why: str
    hint: str


def deadlock(item: Object, live: Object | None, nodes: Sequence[Object], others: Sequence[Object] = ()) -> Deadlock | None:
    """`item` with the server's defaults, and the live object that it replaces. `others`: the objects beside it. No nodes: no verdict."""
    template = template_of(item)
    if template is None or not nodes:
        return None
    candidates = fitting(nodes, template.get("spec") or {})
    replicas, name = _replicas(item, live), describe(item)
    for each in exclusives(item, others):
        room = _places(candidates, each.domain)
        if item["kind"] in REPLICATED and replicas > room > 0:
            why = f"{replicas} pods cannot run side by side: at most one pod {each.what}{_where(each, room)}"
            return Deadlock(why, f"write `replicas: {room}` in {name}")
        if _starts_first(item, replicas) and _clashes(each, item, live, others) and (item["kind"] == "DaemonSet" or replicas >= room > 0):
            limit = f"at most one pod {each.what}{_where(each, room)}"
            why = f"a new pod starts before the old one stops, but {limit}: the new pod would wait forever"
            instead = "leave out `rollingUpdate.maxSurge`" if item["kind"] == "DaemonSet" else "write `strategy: {type: Recreate}`"
            return Deadlock(why, f"{instead} in {name}")
    return None


def exclusives(item: Object, others: Sequence[Object] = ()) -> Iterator[Exclusive]:
    """Yield host ports, claims for a single pod, and places that the pods keep to themselves by anti-affinity."""
    template = template_of(item) or {}
    spec = template.get("spec") or {}
    for protocol, number in dict.fromkeys(host_ports(template)):
        yield Exclusive(f"can use host port {number}/{protocol}")
    single = {other["metadata"]["name"] for other in others if _for_a_single_pod(other)}
    for volume in spec.get("volumes") or ():
        claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if claim in single:
            yield Exclusive(f"can use claim {claim} (ReadWriteOncePod)", CLUSTER)
    for term in _anti_affinities(spec):
        if matches(term.get("labelSelector"), _labels(template)):
            yield Exclusive("can run, because of its podAntiAffinity,", str(term.get("topologyKey")))


def listens_unseen(item: Object) -> bool:
    """Whether its pods use the node's network and say nothing of their ports, so that nothing keeps two of them apart."""
    template = template_of(item) or {}
    return bool((template.get("spec") or {}).get("hostNetwork")) and not any(True for _ in host_ports(template))


def starts_first(item: Object, live: Object | None) -> bool:
    """Whether an update of this object starts new pods before it stops old ones."""
    return _starts_first(item, _replicas(item, live))


def _starts_first(item: Object, replicas: int) -> bool:
    """Nothing may be unavailable, so no old pod stops before a new one is up."""
    spec = item.get("spec") or {}
    strategy = spec.get("strategy" if item["kind"] == "Deployment" else "updateStrategy") or {}
    if item["kind"] not in {"Deployment", "DaemonSet"} or strategy.get("type", "RollingUpdate") != "RollingUpdate":
        return False
    rolling = strategy.get("rollingUpdate") or {}
    if item["kind"] == "DaemonSet":
        return _share(rolling.get("maxSurge", 0), 100, math.ceil) > 0
    surge = _share(rolling.get("maxSurge", "25%"), replicas, math.ceil)
    return surge > 0 and _share(rolling.get("maxUnavailable", "25%"), replicas, math.floor) == 0


def _share(value: Any, replicas: int, rounded: Any) -> int:
    if isinstance(value, str):
        percent = value.removesuffix("%")
        return int(rounded(replicas * int(percent) / 100)) if percent.isdecimal() else 0
    return int(value or 0)


def _clashes(each: Exclusive, item: Object, live: Object | None, others: Sequence[Object]) -> bool:
    """Whether the pods that run now have it, too, and are to be replaced."""
    if live is None or template_hash(live) == template_hash(item) or _replicas(live, None) == 0:
        return False
    if each in exclusives(live, others):
        return True
    terms = [term for term in _anti_affinities((template_of(item) or {}).get("spec") or {}) if str(term.get("topologyKey")) == each.domain]
    return any(matches(term.get("labelSelector"), _labels(template_of(live) or {})) for term in terms)


def _replicas(item: Object, live: Object | None) -> int:
    for each in (item, live or {}):
        replicas = (each.get("spec") or {}).get("replicas")
        if replicas is not None:
            return int(replicas)
    return 1


def _places(nodes: Sequence[Object], domain: str) -> int:
    if domain == CLUSTER:
        return 1
    if not domain:
        return len(nodes)
    return len({value for node in nodes if (value := ((node.get("metadata") or {}).get("labels") or {}).get(domain)) is not None})


def _where(each: Exclusive, room: int) -> str:
    if each.domain == CLUSTER:
        return ""
    if each.domain in {"", "kubernetes.io/hostname"}:
        return " on the only suitable node" if room == 1 else f" on each of the {room} suitable nodes"
    return f" in the only {each.domain}" if room == 1 else f" in each {each.domain} ({room} suitable)"


def _for_a_single_pod(item: Object) -> bool:
    return item.get("kind") == "PersistentVolumeClaim" and (item.get("spec") or {}).get("accessModes") == ["ReadWriteOncePod"]


def _anti_affinities(pod: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    affinity = (pod.get("affinity") or {}).get("podAntiAffinity") or {}
    terms: Sequence[Mapping[str, Any]] = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
    return terms


def _labels(template: Object) -> Mapping[str, str]:
    labels: Mapping[str, str] = (template.get("metadata") or {}).get("labels") or {}
    return labels
