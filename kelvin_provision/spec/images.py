"""The images of a workload, and replacing images in plain Kubernetes objects. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from kelvin_provision.refs import Reference
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.workload import Object, Spec

_TEMPLATES: dict[str, tuple[str, ...]] = {
    "Pod": ("spec",),
    "Deployment": ("spec", "template", "spec"),
    "StatefulSet": ("spec", "template", "spec"),
    "DaemonSet": ("spec", "template", "spec"),
    "ReplicaSet": ("spec", "template", "spec"),
    "ReplicationController": ("spec", "template", "spec"),
    "Job": ("spec", "template", "spec"),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
}


class Slot(NamedTuple):
    """A field of an object that holds, or should hold, an image reference."""

    path: tuple[str | int, ...]
    parent: dict[str, Any]
    key: str

    @property
    def image(self) -> Any:
        """In an object that is not validated, this may be anything."""
        return self.parent.get(self.key)


def slots(obj: Object) -> Iterator[Slot]:
    """The images of an object's pod template: init containers, containers, image volumes. None for malformed objects."""
    path, pod = pod_of(obj)
    for key in ("initContainers", "containers"):
        for number, container in _mappings(pod.get(key)):
            yield Slot((*path, key, number, "image"), container, "image")
    for number, volume in _mappings(pod.get("volumes")):
        if isinstance(source := volume.get("image"), dict):
            yield Slot((*path, "volumes", number, "image", "reference"), source, "reference")


def pod_of(obj: Object) -> tuple[tuple[str, ...], dict[str, Any]]:
    """The spec of an object's pods, with its path; empty for an object without pods, or a malformed one."""
    path = _TEMPLATES.get(str(obj.get("kind")), ())
    pod: Any = obj if path else None
    for step in path:
        pod = pod.get(step) if isinstance(pod, dict) else None
    return path, pod if isinstance(pod, dict) else {}


def _mappings(values: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, value in enumerate(values if isinstance(values, list) else ()):
        if isinstance(value, dict):
            yield number, value


def images_of(spec: Spec) -> tuple[str, ...]:
    """The images to download for a workload, as written, each once, in order: those of its containers, then the additional ones."""
    return tuple(dict.fromkeys((*container_images(spec), *spec.images)))


def container_images(spec: Spec) -> tuple[str, ...]:
    """The images in the fields of pod templates, as written."""
    if spec.image:
        return (spec.image,)
    return tuple(slot.image for obj in spec.manifests for slot in slots(obj) if isinstance(slot.image, str))


def additional_images(spec: Spec) -> frozenset[str]:
    """Complete references of the images that are in the request's list only."""
    return (
        frozenset(spec.images).difference(str(Reference.parse(image)) for image in container_images(spec)) if spec.images else frozenset()
    )


def local_names(spec: Spec, locks: Sequence[ImageLock]) -> dict[str, ImageLock]:
    """The names under which the runtime must find the additional images, besides the name that every staged image has."""
    by_reference = {str(lock.reference): lock for lock in locks}
    names = {image: Reference.parse(image).local_name for image in spec.images}
    return {name: by_reference[image] for image, name in names.items() if name and image in by_reference}


def with_images(obj: Object, replace: Callable[[str], str]) -> Object:
    """A copy with every image replaced."""
    changed: Object = _copied(obj)
    for slot in slots(changed):
        if isinstance(slot.image, str):
            slot.parent[slot.key] = replace(slot.image)
    return changed


def _copied(value: Any) -> Any:
    """A copy without shared values: those of YAML aliases would be replaced twice."""
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value
