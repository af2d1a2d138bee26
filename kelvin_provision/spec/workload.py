"""A workload as it was accepted: plain frozen values that every layer may hold.

Made from a request by `spec.request`, kept in the ledger as JSON, rendered by the clusters. Knows no pydantic, no disk.
"""

from __future__ import annotations

import dataclasses
from dataclasses import field
from typing import Any, Self

from kelvin_provision.fast_dataclass import checked, dataclass
from kelvin_provision.refs import Reference
from kelvin_provision.spec.enums import Method, ProbeKind, VolumeKind
from kelvin_provision.spec.folded import foldable, reader, set_folded

SCHEMA = 1
Object = dict[str, Any]


@dataclass(frozen=True)
class Resources:
    """CPU (`0.4`, `400m`) and memory (`256Mi`, `1K`) as the platform writes them, or None."""

    cpu_request: str | None = None
    memory_request: str | None = None
    cpu_limit: str | None = None
    memory_limit: str | None = None


@dataclass(frozen=True)
class Variable:
    """`value` may contain `<% secrets.NAME %>`, which is replaced only when it is applied."""

    name: str
    value: str


@dataclass(frozen=True)
class Port:
    """A port of the container. `protocol` is TCP or UDP. Exactly one of `host_port` and `service_port` is set."""

    name: str
    container_port: int
    protocol: str = "TCP"
    host_port: int | None = None
    service_port: int | None = None
    exposed: bool = False
    exposed_port: int | None = None


@dataclass(frozen=True)
class Volume:
    """A file or folder in the container at `target` (absolute).

    text: a file with the content `data` (base64). secret: a file with the text `secret`, which may be `<% secrets.NAME %>`; `mode` in
    octal. host: `source` on the node. persistent: kept on stop, removed on undeploy.
    """

    name: str
    kind: VolumeKind
    target: str
    data: str = ""
    secret: str = ""
    source: str = ""
    mode: str = "0644"


@dataclass(frozen=True)
class Probe:
    """A health check, times in seconds. `port` is for http_get and tcp_socket, `command` for exec."""

    kind: ProbeKind
    path: str = "/"
    port: int = 0
    scheme: str = "HTTP"
    headers: tuple[tuple[str, str], ...] = ()
    command: tuple[str, ...] = ()
    initial_delay: int = 0
    period: int = 10
    timeout: int = 1
    failure_threshold: int = 3
    success_threshold: int = 1


@dataclass(frozen=True)
class System:
    """The `system` block of the app manifest, the same for both generations (KELVIN section 6.4)."""

    resources: Resources = field(default_factory=Resources)
    privileged: bool = False
    environment: tuple[Variable, ...] = ()
    ports: tuple[Port, ...] = ()
    volumes: tuple[Volume, ...] = ()
    liveness: Probe | None = None
    readiness: Probe | None = None
    metrics: tuple[int, str] | None = None


@dataclass(frozen=True)
class Spec:
    """One accepted request. Either `image` or `manifests` (plain Kubernetes objects) is empty.

    `payload` is the app manifest as it was given; the container gets it as app.yaml. `images` are needed besides those of the containers:
    complete references, which arguments, files or custom resources name.
    """

    name: str
    title: str
    app_name: str
    app_version: str
    cluster_name: str
    method: Method
    image: str = ""
    system: System = field(default_factory=System)
    configuration: dict[str, Any] = field(default_factory=dict)
    payload: dict[str, Any] = field(default_factory=dict)
    manifests: tuple[Object, ...] = ()
    node_name: str | None = None
    source: str | None = None
    images: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {"schema": SCHEMA} | dataclasses.asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """The inverse of `to_json`. Raises ValueError, TypeError, KeyError, AttributeError for a document that is damaged."""
        given = {key: value for key, value in document.items() if key != "schema"}
        given["method"] = Method(given["method"])
        given["system"] = _system(given["system"])
        given["manifests"] = tuple(given["manifests"])
        given["images"] = tuple(str(Reference.parse(image)) for image in given.get("images", ()))
        return checked(cls, given)

    def fold(self, kept: bytes) -> None:
        """Keep the text that it was just made from in place of its large fields."""
        set_folded(self, system=kept, configuration=kept, payload=kept, manifests=kept)


_WHOLE = reader(Spec.from_json)
foldable(
    Spec,
    system=lambda kept: _WHOLE(kept).system,
    configuration=lambda kept: _WHOLE(kept).configuration,
    payload=lambda kept: _WHOLE(kept).payload,
    manifests=lambda kept: _WHOLE(kept).manifests,
)


def _system(document: dict[str, Any]) -> System:
    parts = {
        "resources": checked(Resources, document["resources"]),
        "environment": tuple(checked(Variable, item) for item in document["environment"]),
        "ports": tuple(checked(Port, item) for item in document["ports"]),
        "volumes": tuple(checked(Volume, item | {"kind": VolumeKind(item["kind"])}) for item in document["volumes"]),
        "liveness": _probe(document["liveness"]),
        "readiness": _probe(document["readiness"]),
        "metrics": tuple(document["metrics"]) if document["metrics"] else None,
    }
    return checked(System, document | parts)


def _probe(document: dict[str, Any] | None) -> Probe | None:
    if document is None:
        return None
    headers = tuple((name, value) for name, value in document["headers"])
    command = tuple(document["command"])
    return checked(Probe, document | {"kind": ProbeKind(document["kind"]), "headers": headers, "command": command})
