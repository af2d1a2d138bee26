"""The shapes of the `system` block: keys, types, patterns, ranges and defaults (KELVIN section 6.4).

What ties several values together is checked by `system` and `volumes`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from kelvin_provision.spec.request.validation import Shape

Name = Annotated[str, Field(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
PortNumber = Annotated[int, Field(ge=1, le=65535)]
Cpu = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?m?$")]
Memory = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(K|M|G|Ki|Mi|Gi)$")]
Protocol = Literal["tcp", "udp"]
Absolute = Annotated[str, Field(pattern=r"^/")]
AnyPath = Annotated[str, Field(min_length=1)]
"""Below / where it does not begin with one: so the kubelet takes a volume's target and the path of an HTTP request."""


class Amounts(Shape):
    """`requests` or `limits`: when the block is there, what it leaves out has the platform's default."""

    cpu: Cpu = "0.4"
    memory: Memory = "256Mi"


class ResourcesBlock(Shape):
    """What the container is guaranteed to get, and never goes above."""

    requests: Amounts | None = None
    limits: Amounts | None = None


class VariableBlock(Shape):
    """An environment variable; whatever is no text becomes JSON."""

    name: Annotated[str, Field(pattern=r"^[a-zA-Z][a-zA-Z0-9_]*$")]
    value: Any = ""


class HostPort(Shape):
    """A port of the node itself."""

    port: PortNumber
    protocol: Protocol = "tcp"


class ServicePort(Shape):
    """A port inside the cluster, or of every node when exposed."""

    port: PortNumber
    container_port: PortNumber | None = None
    exposed: bool = False
    exposed_port: Annotated[int, Field(ge=30001, le=32767)] | None = None
    protocol: Protocol = "tcp"


class PortBlock(Shape):
    """A port: exactly the block that its type names."""

    name: Name
    type: Literal["host", "service"] = "service"
    host: HostPort | None = None
    service: ServicePort | None = None


class TextBlock(Shape):
    """The content of a file."""

    data: str
    base64: bool = False
    encoding: Literal["utf-8", "ascii", "latin_1"] = "utf-8"


class HostBlock(Shape):
    """A file or folder of the node."""

    source: Absolute


class SecretBlock(Shape):
    """The content of a read-only file, usually a reference."""

    value: str
    mode: Annotated[str, Field(pattern=r"^[0-7]{3,4}$")] = "0644"


class VolumeBlock(Shape):
    """A volume: exactly the block that its type names. Legacy manifests may leave out the name."""

    name: Name | None = None
    target: AnyPath
    type: Literal["text", "host", "persistent", "secret"]
    text: TextBlock | None = None
    host: HostBlock | None = None
    persistent: Any = None
    secret: SecretBlock | None = None


class Header(Shape):
    """A header of a health check's request."""

    name: Annotated[str, Field(min_length=1)]
    value: str = ""


class HttpGet(Shape):
    """Healthy is an answer from 200 to 399."""

    path: AnyPath = "/"
    port: PortNumber
    scheme: Literal["http", "https"] = "http"
    http_headers: list[Header] = Field(default_factory=list)


class TcpSocket(Shape):
    """Healthy is a connection."""

    port: PortNumber


class Exec(Shape):
    """Healthy is exit code 0."""

    command: Annotated[list[str], Field(min_length=1)]


class Liveness(Shape):
    """When to start the container again; times in seconds."""

    type: Literal["http_get", "tcp_socket", "exec"] | None = None
    http_get: HttpGet | None = None
    tcp_socket: TcpSocket | None = None
    exec: Exec | None = None
    initial_delay_seconds: Annotated[int, Field(ge=0)] = 0
    period_seconds: Annotated[int, Field(ge=1)] = 10
    timeout_seconds: Annotated[int, Field(ge=1)] = 1
    failure_threshold: Annotated[int, Field(ge=1)] = 3


class Readiness(Liveness):
    """When the container may be sent requests."""

    success_threshold: Annotated[int, Field(ge=1)] = 1


class HealthBlock(Shape):
    """Both checks are optional."""

    liveness_probe: dict[str, Any] | None = None
    readiness_probe: dict[str, Any] | None = None


class MetricsBlock(Shape):
    """Where the app tells its numbers."""

    port: PortNumber
    path: AnyPath = "/metrics"


class SystemBlock(Shape):
    """Lists are read item by item, so that one wrong item does not hide the others' findings."""

    resources: dict[str, Any] | None = None
    privileged: bool = False
    environment_vars: list[Any] = Field(default_factory=list, max_length=1000)
    ports: list[Any] = Field(default_factory=list, max_length=1000)
    volumes: list[Any] = Field(default_factory=list, max_length=1000)
    health_check: dict[str, Any] | None = None
    metrics: dict[str, Any] | None = None
