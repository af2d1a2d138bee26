"""The settings as values. Reading them is `settings.load`'s business."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from kelvin_provision.quantity import Headroom
from kelvin_provision.spec.enums import Method

if TYPE_CHECKING:
    from kelvin_provision.settings.window import Window


@dataclass(frozen=True)
class RegistrySettings:
    """What is set for one registry host: other places that have the same content, plain http, a CA, a login file."""

    mirrors: tuple[str, ...] = ()
    insecure: bool = False
    ca_file: Path | None = None
    auth_file: Path | None = None


@dataclass(frozen=True)
class ClusterSettings:
    """`type` is auto, kubernetes or docker."""

    type: str = "auto"
    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str = "app"
    name: str | None = None


@dataclass(frozen=True)
class RuntimeSettings:
    """`type` is auto, containerd or docker; `address` a socket path (containerd) or URL (Docker)."""

    type: str = "auto"
    address: str | None = None
    namespace: str = "k8s.io"


@dataclass(frozen=True)
class DownloadSettings:
    """`parallel` blobs at a time, None for as many as help; `stall_timeout` in seconds without a byte.

    `rate` in bytes a second, `budget` in bytes a day; what is None is without limit. `keep_free` is never filled by us.
    """

    parallel: int | None = None
    stall_timeout: float = 30.0
    rate: int | None = None
    window: Window | None = None
    budget: int | None = None
    keep_free: Headroom = field(default=Headroom(percent=5))


@dataclass(frozen=True)
class ApplySettings:
    """In seconds; without a window anything may be applied at any time."""

    timeout: float = 300.0
    rollback_timeout: float = 300.0
    settle: float = 5.0
    window: Window | None = None
    grace: float = 900.0


@dataclass(frozen=True)
class Settings:
    """Everything that is set. `registry` is where `<app_name>:<app_version>` is pulled from, without a scheme."""

    state_dir: Path
    secrets_dir: Path = Path("/etc/kelvin-provision/secrets")
    registry: str | None = None
    registries: Mapping[str, RegistrySettings] = field(default_factory=lambda: MappingProxyType({}))
    cluster: ClusterSettings = ClusterSettings()
    runtime: RuntimeSettings = RuntimeSettings()
    download: DownloadSettings = DownloadSettings()
    apply: ApplySettings = ApplySettings()
    default_method: Method = Method.STANDARD
    keep_revisions: int = 2
    hooks: Path = Path("/etc/kelvin-provision/hooks")
    hooks_timeout: float = 120.0


@dataclass(frozen=True)
class Origin:
    """One key with its value as text and where it came from: `default`, a file's path, a variable or a flag."""

    key: str
    value: str
    origin: str
    doc: str
