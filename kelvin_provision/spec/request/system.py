"""The `system` block of an app manifest into values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from kelvin_provision.spec.enums import ProbeKind
from kelvin_provision.spec.read.findings import Findings, Path
from kelvin_provision.spec.request import system_shapes
from kelvin_provision.spec.request.validation import Shape, check, check_rest
from kelvin_provision.spec.request.volumes import volumes_of
from kelvin_provision.spec.workload import Port, Probe, Resources, System, Variable

S = TypeVar("S", bound=Shape)


def system_of(value: Any, path: Path, findings: Findings) -> System:
    """After an error, the valid rest is returned."""
    block = check_rest(system_shapes.SystemBlock, value, path, findings)
    health = check_rest(system_shapes.HealthBlock, block.health_check or {}, (*path, "health_check"), findings)
    return System(
        resources=_resources(block.resources, (*path, "resources"), findings),
        privileged=block.privileged,
        environment=_environment(block.environment_vars, (*path, "environment_vars"), findings),
        ports=_ports(block.ports, (*path, "ports"), findings),
        volumes=volumes_of(items(system_shapes.VolumeBlock, block.volumes, (*path, "volumes"), findings), findings),
        liveness=_probe(system_shapes.Liveness, health.liveness_probe, (*path, "health_check", "liveness_probe"), findings),
        readiness=_probe(system_shapes.Readiness, health.readiness_probe, (*path, "health_check", "readiness_probe"), findings),
        metrics=_metrics(block.metrics, (*path, "metrics"), findings),
    )


def items(shape: type[S], values: Sequence[Any], path: Path, findings: Findings) -> list[tuple[Path, S]]:
    """The valid items of a list, each with its path."""
    checked = [((*path, number), check(shape, value, (*path, number), findings)) for number, value in enumerate(values)]
    return [(item_path, item) for item_path, item in checked if item is not None]


def require_unique(what: str, values: Iterable[tuple[Path, object]], findings: Findings) -> None:
    seen: set[object] = set()
    for path, value in values:
        if value in seen:
            findings.add(path, f"duplicate {what} {value}; {what.rsplit(maxsplit=1)[-1]}s must be unique")
        seen.add(value)


def _resources(value: Any, path: Path, findings: Findings) -> Resources:
    block = (check(system_shapes.ResourcesBlock, value, path, findings) if value else None) or system_shapes.ResourcesBlock()
    return Resources(
        cpu_request=block.requests.cpu if block.requests else None,
        memory_request=block.requests.memory if block.requests else None,
        cpu_limit=block.limits.cpu if block.limits else None,
        memory_limit=block.limits.memory if block.limits else None,
    )


def _environment(values: Sequence[Any], path: Path, findings: Findings) -> tuple[Variable, ...]:
    checked = items(system_shapes.VariableBlock, values, path, findings)
    require_unique("variable", (((*place, "name"), item.name) for place, item in checked), findings)
    for place, _ in checked:
        if (*place, "value") in findings.document.respelled:
            findings.warn((*place, "value"), _RESPELLED)
    return tuple(Variable(item.name, _text(item.value)) for _, item in checked)


_RESPELLED = "without quotes, YAML reads this as true, false or another number, and the variable gets that value; put it in quotes"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _ports(values: Sequence[Any], path: Path, findings: Findings) -> tuple[Port, ...]:
    checked = items(system_shapes.PortBlock, values, path, findings)
    require_unique("port name", (((*place, "name"), item.name) for place, item in checked), findings)
    hosts = [(place, item.host) for place, item in checked if item.host]
    services = [(place, item.service) for place, item in checked if item.service]
    exposed = [(place, item.exposed_port) for place, item in services if item.exposed_port]
    require_unique("host port", (((*place, "host", "port"), f"{item.port}/{item.protocol}") for place, item in hosts), findings)
    require_unique("service port", (((*place, "service", "port"), f"{item.port}/{item.protocol}") for place, item in services), findings)
    require_unique("exposed port", (((*place, "service", "exposed_port"), number) for place, number in exposed), findings)
    return tuple(port for place, item in checked if (port := _port(item, place, findings)))


def _port(item: system_shapes.PortBlock, path: Path, findings: Findings) -> Port | None:
    if item.type == "host" and item.host:
        if item.service:
            findings.add((*path, "service"), "not allowed with type host; remove it, or use type service")
        return Port(item.name, item.host.port, item.host.protocol.upper(), host_port=item.host.port)
    if item.type == "service" and item.service:
        if item.host:
            findings.add((*path, "host"), "not allowed with type service; remove it, or use type host")
        service = item.service
        if service.exposed_port and not service.exposed:
            findings.warn((*path, "service", "exposed_port"), "has no effect without exposed: true")
        return Port(
            item.name,
            service.container_port or service.port,
            service.protocol.upper(),
            service_port=service.port,
            exposed=service.exposed,
            exposed_port=service.exposed_port if service.exposed else None,
        )
    findings.add((*path, item.type), f"required field is missing; type {item.type} needs a mapping with a port")
    return None


def _probe(shape: type[system_shapes.Liveness], value: Any, path: Path, findings: Findings) -> Probe | None:
    block = check(shape, value, path, findings) if value is not None else None
    if block is None:
        return None
    given = [kind for kind in ProbeKind if getattr(block, kind) is not None]
    if len(given) != 1 or (block.type or given[0]) != given[0]:
        kinds = block.type or ", ".join(ProbeKind)
        findings.add(path, f"expected exactly one block, of {kinds}, got {', '.join(given) or 'none'}")
        return None
    http, tcp = block.http_get or system_shapes.HttpGet(port=1), block.tcp_socket
    return Probe(
        kind=given[0],
        path=_from_root(http.path),
        port=http.port if block.http_get else tcp.port if tcp else 0,
        scheme=http.scheme.upper(),
        headers=tuple((header.name, header.value) for header in http.http_headers),
        command=tuple(block.exec.command) if block.exec else (),
        initial_delay=block.initial_delay_seconds,
        period=block.period_seconds,
        timeout=block.timeout_seconds,
        failure_threshold=block.failure_threshold,
        success_threshold=getattr(block, "success_threshold", 1),
    )


def _metrics(value: Any, path: Path, findings: Findings) -> tuple[int, str] | None:
    block = check(system_shapes.MetricsBlock, value, path, findings) if value is not None else None
    return (block.port, _from_root(block.path)) if block else None


def _from_root(path: str) -> str:
    """The path of a request, which may have a query."""
    return path if path.startswith("/") else f"/{path}"
