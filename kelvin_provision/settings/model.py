"""The settings as values; `settings.load` reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.quantity import Headroom
from kelvin_provision.spec.enums import Method

if TYPE_CHECKING:
    from kelvin_provision.settings.lockout import Lockout
    from kelvin_provision.settings.window import Window


@dataclass(frozen=True)
class RegistrySettings:
    """`mirrors` have the same content as the registry."""

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
    """`type` is auto, containerd or docker; `address` a socket path (containerd) or URL (Docker). `run_32_bit`: see `refs.Platform`."""

    type: str = "auto"
    address: str | None = None
    namespace: str = "k8s.io"
    run_32_bit: bool = False


@dataclass(frozen=True)
class DownloadSettings:
    """`parallel` is None for adaptive; `stall_timeout` in seconds; `rate` in bytes per second, `budget` in bytes per day.

    None is no limit. `keep_free` is left free on each filesystem. `deltas`: a value of `spec.deltas.DeltaMode`.
    """

    parallel: int | None = None
    stall_timeout: float = 30.0
    rate: int | None = None
    window: Window | None = None
    budget: int | None = None
    keep_free: Headroom = field(default=Headroom(percent=5))
    deltas: str = "auto"


@dataclass(frozen=True)
class ApplySettings:
    """Durations in seconds. Without a window, anything may be applied at any time."""

    timeout: float = 300.0
    rollback_timeout: float = 300.0
    settle: float = 5.0
    window: Window | None = None
    grace: float = 900.0


@dataclass(frozen=True)
class StagingSettings:
    """`rehearse`: a version is rehearsed at the end of its staging.

    `nodes`: which of the nodes that may run it must have its images before it is ready: all, those that are available, or so many.
    """

    rehearse: bool = False
    nodes: str | int = "all"


@dataclass(frozen=True)
class TlsSettings:
    """Files of the site in place of this box's own certificate; without `key`, the certificate's file has the key, too."""

    cert: Path | None = None
    key: Path | None = None


@dataclass(frozen=True)
class ApiSettings:
    """`listen` are addresses with ports; `names` host names by which clients reach them. Lifetimes in seconds.

    `ui`: with pages for people; `session` is the time until a login at them ends, `session_idle` until it ends when nothing is asked.
    `insecure`: HTTP without TLS also on addresses that other machines can reach.
    """

    listen: tuple[str, ...] = ("127.0.0.1:30000",)
    insecure: bool = False
    tls: TlsSettings = TlsSettings()
    names: tuple[str, ...] = ()
    realm: str = "kelvin"
    token_lifetime: float = 43_200.0
    refresh_lifetime: float = 86_400.0
    connections: int = 64
    streams: int = 16
    lockout: Lockout | None = None
    ui: bool = True
    session: float = 43_200.0
    session_idle: float = 3_600.0


@dataclass(frozen=True)
class TrustSettings:
    """`keys` are files. `require_signature` has bundle, request, image, several or none; None where it is not set."""

    keys: tuple[Path, ...] = ()
    require_signature: tuple[str, ...] | None = None


@dataclass(frozen=True)
class MediaSettings:
    """`folders` are where this site mounts removable media. `auto` is off, inspect or import: what is done with one that arrives."""

    folders: tuple[Path, ...] = (Path("/media"), Path("/mnt"), Path("/run/media"))
    auto: str = "off"


APPLY_FOLLOWED = ("never", "window", "now")
"""When what is followed is applied."""


@dataclass(frozen=True)
class FollowSettings:
    """`publications` are followed, each at `interval` seconds. `apply` is never, window or now: when what they bring is applied.

    `prune`: what they withdraw is undeployed; otherwise that is proposed. `report`: the repository to which this box reports.
    """

    publications: tuple[str, ...] = ()
    interval: float = 300.0
    apply: str = "never"
    prune: bool = False
    report: str | None = None


@dataclass(frozen=True)
class NodesSettings:
    """`listen`: addresses at which a leader listens for its members, none by default, and a member for its peers.

    `rate`: bytes a second that one node sends to others; None without a limit. `source`: a mirror of the site, asked before any node.
    """

    listen: tuple[str, ...] = ()
    rate: int | None = None
    source: str | None = None


@dataclass(frozen=True)
class HistorySettings:
    """`keep` lines are in the ledger, older ones in files beside it."""

    keep: int = 10_000


@dataclass(frozen=True)
class Settings:
    """`<app_name>:<app_version>` is pulled from `registry`, which has no scheme."""

    state_dir: Path
    secrets_dir: Path = Path("/etc/kelvin-provision/secrets")
    registry: str | None = None
    registries: Mapping[str, RegistrySettings] = field(default_factory=lambda: MappingProxyType({}))
    cluster: ClusterSettings = ClusterSettings()
    runtime: RuntimeSettings = RuntimeSettings()
    download: DownloadSettings = DownloadSettings()
    apply: ApplySettings = ApplySettings()
    staging: StagingSettings = StagingSettings()
    default_method: Method = Method.STANDARD
    keep_revisions: int = 2
    hooks: Path = Path("/etc/kelvin-provision/hooks")
    hooks_timeout: float = 120.0
    api: ApiSettings = ApiSettings()
    history: HistorySettings = HistorySettings()
    trust: TrustSettings = TrustSettings()
    media: MediaSettings = MediaSettings()
    follow: FollowSettings = FollowSettings()
    labels: tuple[str, ...] = ()
    """`name=value`: what publications may choose this box by."""
    nodes: NodesSettings = NodesSettings()


@dataclass(frozen=True)
class Origin:
    """One key with its value as text and where it was set: `default`, the path of a file, a variable or an option."""

    key: str
    value: str
    origin: str
    doc: str
