"""A revision as objects: one container and its named volumes, as JSON. Pure.

Every field of the platform's `system` block is used here or refused by name. Secrets stay references.
"""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from kelvin_provision.cluster.docker.containers import OWN_CHECK
from kelvin_provision.cluster.docker.render.quantities import cpu_shares, memory_bytes, nano_cpus
from kelvin_provision.cluster.labels import MANAGER, OWNER, REVISION, SPEC_HASH
from kelvin_provision.errors import RequestRefused
from kelvin_provision.files.hashing import sha256_hex
from kelvin_provision.masking.app_manifest import mask_secret_volumes
from kelvin_provision.refs import Reference
from kelvin_provision.spec.enums import VolumeKind
from kelvin_provision.spec.identity import Identity
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.workload import Object, Port, Probe, Resources, Spec, Volume

IMAGE = "kelvin-provision/image"
"""Annotation: the image as the request names it. With `.config` and `.root`: what an engine of either image store calls it by."""

SHARE = "/opt/kelvin/share"
MIN_MEMORY = 6 * 2**20  # Docker Engine refuses a smaller limit


class ImageNames(Protocol):
    """What is asked of an engine here."""

    def identity(self) -> Identity: ...

    def image_id(self, image: str) -> str:
        """What it calls a staged image now."""
        ...


@dataclass(frozen=True)
class BoxInfo:
    """`node` is this box's name, empty when it is not compared. `identity`: what its engine calls images by."""

    cluster_name: str = ""
    node: str = ""
    identity: Identity = Identity.CONFIG


def render(spec: Spec, locks: Sequence[ImageLock], revision: int, box: BoxInfo) -> tuple[Object, ...]:
    """The objects of one revision, volumes first. Raises RequestRefused with every finding."""
    findings = tuple(_findings(spec, box))
    if findings:
        raise RequestRefused(f"{spec.name}: {findings[0]}", evidence=findings)
    volumes = [volume for volume in spec.system.volumes if volume.kind is VolumeKind.PERSISTENT]
    volume_objects = [_labelled("Volume", volume_name(spec.name, volume.name), {}, spec, revision) for volume in volumes]
    container = _labelled("Container", spec.name, _container(spec, locks, box), spec, revision)
    if lock := _lock_of(spec.image, locks):
        container["metadata"]["annotations"] |= {f"{IMAGE}.{identity}": identity.of(lock) for identity in (Identity.CONFIG, Identity.ROOT)}
    return (*volume_objects, container)


def volume_name(workload: str, volume: str) -> str:
    return f"kelvin-{workload}-{volume}"


def spec_hash(value: Object) -> str:
    """Of all that an object is created from, but for the revision: objects with the same hash need no new container."""
    labels = {key: text for key, text in value["metadata"]["labels"].items() if key not in {REVISION, SPEC_HASH}}
    document = {"kind": value["kind"], "name": value["metadata"]["name"], "labels": labels, "spec": value["spec"]}
    return sha256_hex(json.dumps(document, sort_keys=True))


def for_image_store(objects: Sequence[Object], engine: ImageNames) -> tuple[Object, ...]:
    """The objects with a staged image as the engine calls it now: they may have been rendered for its other image store."""
    return tuple(_renamed(value, engine) if value["spec"].get("pull") == "never" else value for value in objects)


def _renamed(container: Object, engine: ImageNames) -> Object:
    """Objects of earlier releases do not tell; their image stays. So does the hash, by which the container is found."""
    image = container["metadata"]["annotations"].get(f"{IMAGE}.{engine.identity()}")
    return container | {"spec": container["spec"] | {"image": engine.image_id(image)}} if image else container


def _findings(spec: Spec, box: BoxInfo) -> Iterator[str]:
    if spec.manifests:
        yield "manifests: plain Kubernetes objects cannot be applied, this box has no Kubernetes"
    if len(spec.name) < 2:
        yield "name: Docker Engine needs a name of at least two characters"
    if spec.node_name and box.node and spec.node_name != box.node:
        yield f"node_name: {spec.node_name} is another node; this box is {box.node}"
    for port in spec.system.ports:
        yield from _port_findings(port)
    for volume in spec.system.volumes:
        if ":" in volume.source + volume.target:
            yield f"system.volumes.{volume.name}: Docker Engine does not allow a colon in a path"
    for image in spec.images if spec.method.staged else ():
        if Reference.parse(image).local_name is None:
            yield f"images: {image}: Docker Engine finds no imported image by its digest; use a tag, here and in the text that names it"
    yield from _resource_findings(spec.system.resources)


def _port_findings(port: Port) -> Iterator[str]:
    field = f"system.ports.{port.name}"
    if port.service_port is not None and port.service_port != port.container_port:
        yield (
            f"{field}: service.port {port.service_port} is not container_port {port.container_port}; "
            "Docker Engine does not translate ports between containers, so both must be the same"
        )
    if port.exposed and port.exposed_port is None:
        yield f"{field}: an exposed port needs exposed_port; without it Docker Engine chooses another one at every start"


def _resource_findings(resources: Resources) -> Iterator[str]:
    try:
        amounts = _resources(resources)
    except RequestRefused as error:
        yield str(error)
        return
    memory, reserved = amounts["memory"], amounts["memory_reservation"]
    if memory and memory < MIN_MEMORY:
        yield f"system.resources.limits.memory: {resources.memory_limit} is less than Docker Engine's minimum of 6Mi"
    if memory and reserved and reserved > memory:
        yield f"system.resources.requests.memory: {resources.memory_request} is more than the limit of {resources.memory_limit}"


def _container(spec: Spec, locks: Sequence[ImageLock], box: BoxInfo) -> Object:
    lock = _lock_of(spec.image, locks)
    volumes = {kind: [volume for volume in spec.system.volumes if volume.kind is kind] for kind in VolumeKind}
    kelvin = {
        "KELVIN_WORKLOAD_NAME": spec.name,
        "KELVIN_APP_NAME": spec.app_name,
        "KELVIN_CLUSTER_NAME": spec.cluster_name or box.cluster_name,
    }
    return {
        "image": box.identity.of(lock) if lock else str(Reference.parse(spec.image)),
        "pull": "never" if lock else ("always" if Reference.parse(spec.image).mutable else "missing"),
        "environment": {variable.name: variable.value for variable in spec.system.environment} | kelvin,
        "resources": _resources(spec.system.resources),
        "privileged": spec.system.privileged,
        "ports": [_port(port) for port in spec.system.ports],
        "binds": [{"source": volume.source, "target": volume.target} for volume in volumes[VolumeKind.HOST]],
        "volumes": [{"name": volume_name(spec.name, volume.name), "target": volume.target} for volume in volumes[VolumeKind.PERSISTENT]],
        "files": [*_configuration(spec), *(_file(volume) for volume in [*volumes[VolumeKind.TEXT], *volumes[VolumeKind.SECRET]])],
        "liveness": _probe(spec.system.liveness),
        "readiness": _probe(spec.system.readiness),
    }


def _lock_of(image: str, locks: Sequence[ImageLock]) -> ImageLock | None:
    reference = str(Reference.parse(image))
    return next((lock for lock in locks if str(lock.reference) == reference), locks[0] if locks else None)


def _resources(resources: Resources) -> dict[str, int]:
    """0 means "no limit" to Docker Engine."""
    limits, requests = "system.resources.limits", "system.resources.requests"
    return {
        "nano_cpus": nano_cpus(resources.cpu_limit, f"{limits}.cpu") if resources.cpu_limit else 0,
        "cpu_shares": cpu_shares(resources.cpu_request, f"{requests}.cpu") if resources.cpu_request else 0,
        "memory": memory_bytes(resources.memory_limit, f"{limits}.memory") if resources.memory_limit else 0,
        "memory_reservation": memory_bytes(resources.memory_request, f"{requests}.memory") if resources.memory_request else 0,
    }


def _port(port: Port) -> dict[str, Any]:
    """A service that is not exposed gets no host port: other containers reach it by the workload's name."""
    published = port.host_port if port.host_port is not None else (port.exposed_port if port.exposed else None)
    return {"name": port.name, "port": port.container_port, "protocol": port.protocol.lower(), "published": published}


def _configuration(spec: Spec) -> Iterator[dict[str, Any]]:
    """An empty config.yaml would override the defaults in app.yaml, so an empty document is not written.

    app.yaml is the payload without the values of secret volumes: every process in the container can read it, and the mode of the volume
    decides who may read the value. It is bytes, so that secret references in it are not filled in (those in config.yaml are), as on
    Kubernetes.
    """
    import yaml

    def dump(document: dict[str, Any]) -> str:
        # One line for each text: folding could break a `<% secrets.X %>` in two.
        return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=float("inf"))

    if spec.payload:
        yield {
            "path": f"{SHARE}/app.yaml",
            "mode": "0644",
            "base64": base64.b64encode(dump(mask_secret_volumes(spec.payload)).encode()).decode(),
        }
    if spec.configuration:
        yield {"path": f"{SHARE}/config.yaml", "mode": "0644", "text": dump(spec.configuration)}


def _file(volume: Volume) -> dict[str, Any]:
    if volume.kind is VolumeKind.SECRET and volume.secret:
        return {"path": volume.target, "mode": volume.mode, "text": volume.secret}
    base64.b64decode(volume.data, validate=True)
    return {"path": volume.target, "mode": volume.mode, "base64": volume.data}


def _probe(probe: Probe | None) -> dict[str, Any] | None:
    if probe is None:
        return None
    headers = [list(header) for header in probe.headers]
    return dataclasses.asdict(probe) | {"kind": probe.kind.value, "headers": headers, "command": list(probe.command)}


def _labelled(kind: str, name: str, body: Object, spec: Spec, revision: int) -> Object:
    labels = {
        "app.kubernetes.io/name": spec.app_name,
        "app.kubernetes.io/instance": spec.name,
        "app.kubernetes.io/managed-by": MANAGER,
        OWNER: spec.name,
    }
    annotations = {}
    if kind == "Container":  # a volume outlives its revision
        labels |= {"app.kubernetes.io/version": spec.app_version} | _metrics(spec.system.metrics)
        labels[REVISION] = str(revision)
        annotations = {IMAGE: spec.image} | ({OWN_CHECK: "manifest"} if spec.system.readiness else {})
    value = {"kind": kind, "metadata": {"name": name, "labels": labels, "annotations": annotations}, "spec": body}
    labels[SPEC_HASH] = spec_hash(value)
    return value


def _metrics(metrics: tuple[int, str] | None) -> dict[str, str]:
    if metrics is None:
        return {}
    port, path = metrics
    return {"prometheus.io/scrape": "true", "prometheus.io/port": str(port), "prometheus.io/path": path}
