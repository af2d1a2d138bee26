"""Desired against live, as data: what an apply would do on Docker Engine and why it could not. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from kelvin_provision.cluster.docker.live import Live, candidate_name, clashes, container_of, matching, wanted_ports
from kelvin_provision.cluster.labels import OWNER, SPEC_HASH
from kelvin_provision.cluster.plan import Change, Finding, Interruption, Op, Plan
from kelvin_provision.spec.workload import Object


@dataclass(frozen=True)
class Seen:
    """Everything a plan compares with.

    `volumes`: labels by name. `names`: every container's name and its owner by label, or None.
    `published`: host ports of running containers with name and owner. `images`: those that the engine has.
    """

    live: Mapping[str, Sequence[Live]]
    volumes: Mapping[str, Mapping[str, str]]
    names: Mapping[str, str | None]
    published: Mapping[tuple[int, str], tuple[str, str | None]]
    listening: frozenset[tuple[int, str]]
    images: frozenset[str]


def plan(wanted: Mapping[str, Sequence[Object]], seen: Seen) -> Plan:
    """All findings at once, not only the first."""
    changes: list[Change] = []
    findings: list[Finding] = []
    breaks: list[Interruption] = []
    for workload, objects in wanted.items():
        changes += (_volume_change(workload, value, seen) for value in objects if value["kind"] == "Volume")
        findings += _not_ours(workload, objects, seen)
        container = container_of(objects)
        if container is not None:
            live = seen.live.get(workload, ())
            changes.append(_container_change(workload, container, live))
            breaks += _interruptions(workload, container, live)
            findings += _images(workload, container, seen)
            findings += _ports(workload, container, wanted, seen)
    return Plan(tuple(changes), tuple(findings), interruptions=tuple(breaks))


def _volume_change(workload: str, value: Object, seen: Seen) -> Change:
    name = value["metadata"]["name"]
    here = name in seen.volumes
    return Change(Op.KEEP if here else Op.CREATE, workload, f"volume/{name}", "same data" if here else "not on the engine")


def _container_change(workload: str, container: Object, live: Sequence[Live]) -> Change:
    what = f"container/{container['metadata']['name']}"
    new = container["metadata"]["labels"][SPEC_HASH]
    serving = next((one for one in live if one.serving), None)
    same = matching(live, container)
    if same is not None and same.serving:
        if same.running:
            return Change(Op.KEEP, workload, what, "same spec")
        return Change(Op.UPDATE, workload, what, "stopped, will be started")
    if serving is None:
        return Change(Op.CREATE, workload, what, "not on the engine")
    return Change(Op.UPDATE, workload, what, f"spec {serving.spec_hash[:7]} -> {new[:7]}")


def _interruptions(workload: str, container: Object, live: Sequence[Live]) -> Iterator[Interruption]:
    serving = next((one for one in live if one.serving and one.running), None)
    if serving is not None and matching(live, container) is not serving:
        yield from (Interruption(workload, reason) for reason in clashes(serving, container))


def _not_ours(workload: str, objects: Sequence[Object], seen: Seen) -> Iterator[Finding]:
    for value in objects:
        name = value["metadata"]["name"]
        if value["kind"] == "Volume":
            taken = name in seen.volumes and seen.volumes[name].get(OWNER) != workload
            names = [name] if taken else []
        else:
            names = [one for one in (name, candidate_name(value)) if one in seen.names and seen.names[one] != workload]
        kind = value["kind"].lower()
        for one in names:
            message = f"a {kind} of this name exists and is not of workload {workload}; rename or remove it: docker {kind} inspect {one}"
            yield Finding("not-ours", workload, f"{kind}/{one}", message)


def _images(workload: str, container: Object, seen: Seen) -> Iterator[Finding]:
    image = container["spec"]["image"]
    if container["spec"]["pull"] == "never" and image not in seen.images:
        yield Finding("image-missing", workload, f"container/{workload}", f"image {image} is not in Docker Engine")


def _ports(workload: str, container: Object, wanted: Mapping[str, Sequence[Object]], seen: Seen) -> Iterator[Finding]:
    for port, protocol in sorted(wanted_ports(container)):
        by = _taken_by(workload, (port, protocol), wanted, seen)
        if by:
            yield Finding("port-taken", workload, f"container/{workload}", f"host port {port}/{protocol} is taken by {by}")


def _taken_by(workload: str, port: tuple[int, str], wanted: Mapping[str, Sequence[Object]], seen: Seen) -> str:
    for other, objects in wanted.items():
        container = container_of(objects)
        if other != workload and container is not None and port in wanted_ports(container):
            return f"workload {other} of the same apply"
    if port in seen.published:
        name, owner = seen.published[port]
        return "" if owner == workload else f"container {name}"
    if any(port in one.published for one in seen.live.get(workload, ()) if one.running):
        return ""
    return "another program on this box" if port in seen.listening else ""
