"""Looking around on a box with Docker Engine: memory, pull policies, what the engine warns of itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from kelvin_provision.cluster.docker.live import container_of
from kelvin_provision.cluster.survey import Condition, ImageUse, ResourceDemand, Survey
from kelvin_provision.refs import Reference, is_digest
from kelvin_provision.spec.workload import Object

MEMINFO = Path("/proc/meminfo")


def survey(wanted: Mapping[str, Sequence[Object]], free: int | None) -> Survey:
    """`free`: bytes of memory, None where unknown. Docker Engine has no permissions: access to its socket allows everything."""
    containers = {workload: found for workload, objects in wanted.items() if (found := container_of(objects))}
    needed = sum(_memory(container) for container in containers.values())
    rooms = (ResourceDemand("memory", needed, free),) if needed and free is not None else ()
    return Survey(
        images=tuple(_use(workload, container) for workload, container in containers.items()),
        resources=rooms,
        allowed=None,
        enforces_requests=False,
    )


def _memory(container: Object) -> int:
    """What the new container may take beside the old one, which goes only when the new one is verified."""
    resources = container["spec"].get("resources") or {}
    return int(resources.get("memory_reservation") or resources.get("memory") or 0)


def _use(workload: str, container: Object) -> ImageUse:
    image, policy = container["spec"]["image"], container["spec"]["pull"]
    host = "" if is_digest(image) else Reference.parse(image).host
    return ImageUse(workload, f"container/{workload}", image, policy, is_digest(image) or "@" in image, host, has_login=True)


def available(path: Path = MEMINFO) -> int | None:
    """Bytes of memory that the kernel could give out now (proc(5)); None when it does not say."""
    try:
        lines = path.read_text("ascii").splitlines()
    except OSError:
        return None
    found = {name: value for name, _, value in (line.partition(":") for line in lines)}
    words = found.get("MemAvailable", "").split()
    return int(words[0]) * 1024 if words and words[0].isdigit() else None


def conditions(about: Mapping[str, object]) -> Iterator[Condition]:
    """The engine's own warnings; those about swap accounting are left out, as nobody acts on them."""
    warnings = about.get("Warnings")
    for text in warnings if isinstance(warnings, list) else []:
        if "swap" not in str(text).lower():
            yield Condition("engine", healthy=False, message=str(text).removeprefix("WARNING: "), critical=False, hint="docker info")
