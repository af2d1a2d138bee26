"""Desired against live: what an apply would change on Docker Engine, and why it could not. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from kelvin_provision.cluster.docker.containers import (
    LiveContainer,
    candidate_name,
    conflicts,
    container_object,
    desired_ports,
    find_matching,
    find_serving,
    superseded,
)
from kelvin_provision.cluster.docker.render.image_volumes import PATH
from kelvin_provision.cluster.labels import OWNER, SPEC_HASH
from kelvin_provision.cluster.plan import Change, Finding, Interruption, Op, Plan
from kelvin_provision.spec.workload import Object

Desired = Mapping[str, Sequence[Object]]


@dataclass(frozen=True)
class EngineState:
    """All that a plan compares with.

    `volumes`: labels by name. `owners`: the workload of every container by the container's name, None where it has none.
    `published`: host ports of running containers, with name and workload. `images`: IDs of those that the engine has.
    """

    containers: Mapping[str, Sequence[LiveContainer]]
    volumes: Mapping[str, Mapping[str, str]]
    owners: Mapping[str, str | None]
    published: Mapping[tuple[int, str], tuple[str, str | None]]
    listening: frozenset[tuple[int, str]]
    images: frozenset[str]


def plan(desired: Desired, state: EngineState) -> Plan:
    """All findings, not only the first."""
    changes: list[Change] = []
    findings: list[Finding] = []
    interruptions: list[Interruption] = []
    claims = _claims(desired)
    for workload, objects in desired.items():
        changes += (_volume_change(workload, value, state) for value in objects if value["kind"] == "Volume")
        findings += _not_ours(workload, objects, state)
        container = container_object(objects)
        if container is not None:
            live = state.containers.get(workload, ())
            changes.append(_container_change(workload, container, live))
            changes += _removals(workload, container, live)
            interruptions += _interruptions(workload, container, live)
            findings += _missing_image(workload, container, state)
            findings += _taken_ports(workload, container, claims, state)
        else:
            gone = state.containers.get(workload, ())
            changes += (Change(Op.DELETE, workload, f"container/{old.name}", "no version ran before") for old in gone)
    interruptions += _handing_over(desired, state.containers, {interruption.workload for interruption in interruptions})
    return Plan(tuple(changes), tuple(findings), interruptions=tuple(interruptions))


def handed_over(desired: Desired, live: Mapping[str, Sequence[LiveContainer]]) -> list[LiveContainer]:
    """Running containers of the set with a port that their workload gives up and another one of the set takes over."""
    ports = {workload: desired_ports(container) for workload, objects in desired.items() if (container := container_object(objects))}
    taken = frozenset[tuple[int, str]]().union(*ports.values())  # what a workload gives up is not among its own
    return [
        container
        for workload, containers in live.items()
        for container in containers
        if container.running and workload in desired and (container.published_ports - ports.get(workload, frozenset())) & taken
    ]


def _handing_over(desired: Desired, live: Mapping[str, Sequence[LiveContainer]], known: Collection[str]) -> Iterator[Interruption]:
    for container in handed_over(desired, live):
        if container.workload not in known and container.serving and container_object(desired[container.workload]):
            yield Interruption(container.workload, "another workload of the same change takes over its host port")


def _volume_change(workload: str, volume: Object, state: EngineState) -> Change:
    name = volume["metadata"]["name"]
    if name in state.volumes:
        return Change(Op.KEEP, workload, f"volume/{name}", "same data")
    path = volume["metadata"].get("annotations", {}).get(PATH)
    why = f"not on the engine; keeps the data in {path}, a VOLUME of the image" if path else "not on the engine"
    return Change(Op.CREATE, workload, f"volume/{name}", why)


def _container_change(workload: str, container: Object, live: Sequence[LiveContainer]) -> Change:
    name = f"container/{container['metadata']['name']}"
    new = container["metadata"]["labels"][SPEC_HASH]
    serving, same = find_serving(live), find_matching(live, container)
    if same is not None and same.serving:
        if same.running:
            return Change(Op.KEEP, workload, name, "same spec")
        return Change(Op.UPDATE, workload, name, "stopped, will be started")
    if serving is None:
        return Change(Op.CREATE, workload, name, "not on the engine")
    return Change(Op.UPDATE, workload, name, f"spec {serving.spec_hash[:7]} -> {new[:7]}")


def _removals(workload: str, container: Object, live: Sequence[LiveContainer]) -> Iterator[Change]:
    """What goes when the new version is up: all but the container that is kept for a rollback."""
    new = find_matching(live, container)
    for old in superseded([other for other in live if other is not new]):
        if old.name != candidate_name(container):  # made again under its name
            yield Change(Op.DELETE, workload, f"container/{old.name}", f"revision {old.revision}, older than the one that is kept")


def _interruptions(workload: str, container: Object, live: Sequence[LiveContainer]) -> Iterator[Interruption]:
    serving = find_serving(live)
    if serving is not None and serving.running and find_matching(live, container) is not serving:
        yield from (Interruption(workload, reason) for reason in conflicts(serving, container))


def _not_ours(workload: str, objects: Sequence[Object], state: EngineState) -> Iterator[Finding]:
    for value in objects:
        name = value["metadata"]["name"]
        if value["kind"] == "Volume":
            names = [name] if name in state.volumes and state.volumes[name].get(OWNER) != workload else []
        else:
            names = [name for name in (name, candidate_name(value)) if name in state.owners and state.owners[name] != workload]
        kind = value["kind"].lower()
        for name in names:
            inspect = f"docker {kind} inspect {name}"
            message = f"a {kind} of this name exists and does not belong to workload {workload}; rename or remove it: {inspect}"
            yield Finding("not-ours", workload, f"{kind}/{name}", message)


def _missing_image(workload: str, container: Object, state: EngineState) -> Iterator[Finding]:
    image = container["spec"]["image"]
    if container["spec"]["pull"] == "never" and image not in state.images:
        yield Finding("image-missing", workload, f"container/{workload}", f"image {image} is not in Docker Engine")


@dataclass(frozen=True)
class _Claims:
    """`ports`: for each host port the workloads of the set that want it, in the order of the set, whose names are `names`."""

    names: Collection[str]
    ports: Mapping[tuple[int, str], Sequence[str]]


def _claims(desired: Desired) -> _Claims:
    ports: dict[tuple[int, str], list[str]] = {}
    for workload, objects in desired.items():
        container = container_object(objects)
        for port in desired_ports(container) if container is not None else ():
            ports.setdefault(port, []).append(workload)
    return _Claims(desired.keys(), ports)


def _taken_ports(workload: str, container: Object, claims: _Claims, state: EngineState) -> Iterator[Finding]:
    for port, protocol in sorted(desired_ports(container)):
        user = _port_user(workload, (port, protocol), claims, state)
        if user:
            yield Finding("port-taken", workload, f"container/{workload}", f"host port {port}/{protocol} is taken by {user}")


def _port_user(workload: str, port: tuple[int, str], claims: _Claims, state: EngineState) -> str:
    """What uses a port other than the workload itself; empty when the port is free for it."""
    other = next((other for other in claims.ports.get(port, ()) if other != workload), "")
    if other:
        return f"workload {other} of the same apply"
    if port in state.published:
        name, owner = state.published[port]
        return "" if owner == workload or owner in claims.names else f"container {name}"  # one of the set gives it up, or has it above
    if any(port in live.published_ports for live in state.containers.get(workload, ()) if live.running):
        return ""
    return "another program on this box" if port in state.listening else ""
