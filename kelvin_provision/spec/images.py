"""Which images a workload needs, and plain Kubernetes objects with other images in them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

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
    """A place of an object where an image stands, or should."""

    path: tuple[str | int, ...]
    holder: dict[str, Any]
    key: str

    @property
    def image(self) -> Any:
        """What stands there; in an unchecked object that may be anything, or None."""
        return self.holder.get(self.key)


def slots(obj: Object) -> Iterator[Slot]:
    """Every image of an object's pod template: init containers, containers, image volumes. Odd objects have none."""
    path = _TEMPLATES.get(str(obj.get("kind")), ())
    pod: Any = obj if path else None
    for step in path:
        pod = pod.get(step) if isinstance(pod, dict) else None
    if not isinstance(pod, dict):
        return
    for key in ("initContainers", "containers"):
        for number, container in _mappings(pod.get(key)):
            yield Slot((*path, key, number, "image"), container, "image")
    for number, volume in _mappings(pod.get("volumes")):
        if isinstance(source := volume.get("image"), dict):
            yield Slot((*path, "volumes", number, "image", "reference"), source, "reference")


def _mappings(values: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, value in enumerate(values if isinstance(values, list) else ()):
        if isinstance(value, dict):
            yield number, value


def images_of(spec: Spec) -> tuple[str, ...]:
    """What has to be downloaded for a workload, as written, each once, in order."""
    if spec.image:
        return (spec.image,)
    found = (slot.image for obj in spec.manifests for slot in slots(obj))
    return tuple(dict.fromkeys(image for image in found if isinstance(image, str)))


def with_images(obj: Object, replace: Callable[[str], str]) -> Object:
    """A copy with every image replaced; the original stays as it is."""
    changed: Object = _copied(obj)
    for slot in slots(changed):
        if isinstance(slot.image, str):
            slot.holder[slot.key] = replace(slot.image)
    return changed


def _copied(value: Any) -> Any:
    """A copy in which nothing is shared: behind YAML aliases is one value, that would be replaced twice."""
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value
