"""Free memory, pull policies, and the engine's warnings about itself. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from kelvin_provision.cluster.docker.containers import container_object
from kelvin_provision.cluster.survey import Condition, ImageUse, ResourceDemand, Survey
from kelvin_provision.hints import system
from kelvin_provision.refs import Reference, is_digest
from kelvin_provision.spec.workload import Object


def survey(desired: Mapping[str, Sequence[Object]], available_memory: int | None) -> Survey:
    """`available_memory`: None where unknown. Docker Engine has no permissions: access to its socket allows everything."""
    containers = {workload: container for workload, objects in desired.items() if (container := container_object(objects))}
    requested = sum(_memory(container) for container in containers.values())
    measured = requested and available_memory is not None
    return Survey(
        images=tuple(_image_use(workload, container) for workload, container in containers.items()),
        resources=(ResourceDemand("memory", requested, available_memory or 0),) if measured else (),
        allowed=None,
        enforces_requests=False,
    )


def _memory(container: Object) -> int:
    """What the new container takes beside the old one, which is stopped only when the new one is verified."""
    resources = container["spec"].get("resources") or {}
    return int(resources.get("memory_reservation") or resources.get("memory") or 0)


def _image_use(workload: str, container: Object) -> ImageUse:
    image, policy = container["spec"]["image"], container["spec"]["pull"]
    host = "" if is_digest(image) else Reference.parse(image).host
    return ImageUse(workload, f"container/{workload}", image, policy, is_digest(image) or "@" in image, host, has_login=True)


def conditions(info: Mapping[str, object]) -> Iterator[Condition]:
    """Warnings about swap accounting are left out: they need no action."""
    warnings = info.get("Warnings")
    for text in warnings if isinstance(warnings, list) else []:
        if "swap" not in str(text).lower():
            message = str(text).removeprefix("WARNING: ")
            yield Condition("engine", healthy=False, message=message, critical=False, hint=system("docker", "info"))
