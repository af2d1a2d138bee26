"""The container of a rehearsal, from the container of a revision. Pure.

It has no label, name, network, port or volume of the workload, and no restart policy: nothing reaches it, it reaches nothing, and after a
power cut it stays down until it is removed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from kelvin_provision.cluster.docker.render.container_config import create_body
from kelvin_provision.cluster.labels import MANAGER, REHEARSAL, REVISION
from kelvin_provision.cluster.rehearsal import NAME_VARIABLE, SUFFIX, RehearsalTerms, is_device, leads_to_sockets
from kelvin_provision.spec.workload import Object

NETWORK = "kelvin-rehearsal"
NETWORK_LABELS = {"app.kubernetes.io/managed-by": MANAGER, REHEARSAL: "network"}


def container_name(workload: str) -> str:
    """No workload can have this name: theirs have no dot."""
    return f"{workload}.rehearsal"


def obstacles(container: Object, *, real_volumes: bool) -> Iterator[str]:
    """Why a rehearsal cannot be kept from what is real."""
    if container["spec"]["privileged"]:
        yield "it is privileged, so it reaches the devices of the box"
    for bind in container["spec"]["binds"]:
        if is_device(bind["source"]):
            yield f"it uses the device {bind['source']}"
        elif real_volumes and leads_to_sockets(bind["source"]):
            yield f"its folder {bind['source']} leads to sockets of the box, which are not read-only"


def emptied(container: Object, existing: Collection[str], terms: RehearsalTerms) -> tuple[str, ...]:
    """What has data on this box and is empty in the rehearsal."""
    if terms.real_volumes:
        return ()
    volumes = [volume["target"] for volume in container["spec"]["volumes"] if volume["name"] in existing]
    return (*(bind["target"] for bind in container["spec"]["binds"]), *volumes)


def rehearsal_body(container: Object, terms: RehearsalTerms, existing: Collection[str], *, cpus: int, log_driver: str) -> dict[str, Any]:
    """The body of `POST /containers/create`. `container` has its secrets; `existing`: names of the engine's volumes."""
    spec, metadata = container["spec"], container["metadata"]
    name = spec["environment"].get(NAME_VARIABLE) or metadata["name"]
    cut_off = spec | {
        "environment": spec["environment"] | {NAME_VARIABLE: f"{name}{SUFFIX}"},
        "ports": [port | {"published": None} for port in spec["ports"]],
        "binds": [],
        "volumes": [],
    }
    labels = {"app.kubernetes.io/managed-by": MANAGER, REHEARSAL: metadata["name"], REVISION: metadata["labels"][REVISION]}
    bare = container | {"spec": cut_off, "metadata": metadata | {"labels": labels}}
    body = create_body(bare, cpus=cpus, log_driver=log_driver)
    body["HostConfig"] |= {"NetworkMode": NETWORK, "Mounts": list(_mounts(spec, terms, existing))}
    return body


def _mounts(spec: dict[str, Any], terms: RehearsalTerms, existing: Collection[str]) -> Iterator[dict[str, Any]]:
    """An anonymous volume, which goes with its container, in place of each volume and folder."""
    for volume in spec["volumes"]:
        real = terms.real_volumes and volume["name"] in existing
        yield _mount("volume", volume["target"], volume["name"] if real else None)
    for bind in spec["binds"]:
        yield _mount("bind" if terms.real_volumes else "volume", bind["target"], bind["source"] if terms.real_volumes else None)


def _mount(kind: str, target: str, source: str | None) -> dict[str, Any]:
    return {"Type": kind, "Target": target} | ({"Source": source, "ReadOnly": True} if source else {})
