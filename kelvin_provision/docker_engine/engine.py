"""Docker Engine: what it tells of itself, its networks and volumes; containers and images have modules of their own."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from kelvin_provision.docker_engine.connection import Connection, EngineErrors, ignore_missing
from kelvin_provision.docker_engine.containers import Containers
from kelvin_provision.docker_engine.images import Images
from kelvin_provision.refs import Platform
from kelvin_provision.spec.identity import Identity

LOCAL_URL = "http+docker://localhost"
"""What the SDK calls a unix socket."""

IDENTITY_LASTS = 1.0
"""Seconds. `/info` takes 10 ms, and commands about all images need the identity for each."""

NO_GATEWAY = "no gateway can be set on an internal"
"""A newer engine's refusal: its internal networks have no default route."""

SYSTEM_CONTAINERD = Path("/var/lib/containerd")
PINS = "kelvin-provision/pin"
"""Repository of the tags that pin images: each is named by what the engine would call the image as it was published."""

_SHA512 = 128
"""Hex digits."""

_CONTAINERD_SNAPSHOTTER = ["driver-type", "io.containerd.snapshotter.v1"]


def uses_containerd_image_store(info: Mapping[str, Any]) -> bool:
    """From `/info`. It is the default of fresh installations since Docker Engine 29."""
    return _CONTAINERD_SNAPSHOTTER in [list(pair) for pair in info.get("DriverStatus") or []]


def pin(image: str) -> str:
    """Our tag of an image, by the digest that it is known by here."""
    return f"{PINS}:{image.partition(':')[2]}"


def pinned(tags: Iterable[str]) -> tuple[str, ...]:
    """The digests that these tags, if they are ours, are named by."""
    hexes = (tag.removeprefix(f"{PINS}:") for tag in tags if tag.startswith(f"{PINS}:"))
    return tuple(sorted(f"{'sha512' if len(encoded) == _SHA512 else 'sha256'}:{encoded}" for encoded in hexes))


class Storage(NamedTuple):
    """Folders on this machine; None: it keeps nothing there, or does not tell. `temporary` takes an archive while it is read."""

    unpacked: Path | None
    compressed: Path | None
    temporary: Path | None


class Engine:
    """`client` makes the SDK's client; it is called at the first request."""

    def __init__(self, client: Callable[[], Any], errors: EngineErrors, *, identity_lasts: float = IDENTITY_LASTS) -> None:
        self._connection = Connection(client, errors)
        self.containers = Containers(self._connection)
        self.images = Images(self._connection)
        self._identity: tuple[float, Identity] | None = None
        self._identity_lasts = identity_lasts

    @property
    def address(self) -> str:
        with self._connection.call() as api:
            return str(api.base_url).replace(LOCAL_URL, "its local socket")

    @property
    def is_local(self) -> bool:
        """Whether it listens on a socket of this machine."""
        with self._connection.call() as api:
            return str(getattr(api, "base_url", "")) == LOCAL_URL

    def info(self) -> dict[str, Any]:
        """The engine's `/info`."""
        with self._connection.call() as api:
            return dict(api.info())

    def version(self) -> str:
        with self._connection.call() as api:
            return str(api.version()["Version"])

    def containerd_version(self) -> str:
        """Of the containerd that it works with."""
        with self._connection.call() as api:
            components = api.version().get("Components") or []
        return next((str(component["Version"]) for component in components if component["Name"] == "containerd"), "")

    def platform(self) -> Platform:
        """Another than ours when the engine is remote. It tells no variant, so for our own platform ours is returned."""
        with self._connection.call() as api:
            version = api.version()
        here, platform = Platform.of_this_host(), Platform(version["Os"], version["Arch"])
        return here if (here.os, here.architecture) == (platform.os, platform.architecture) else platform

    def storage(self) -> Storage:
        """Where it keeps images, as far as that is on this machine."""
        info = self.info() if self.is_local else {}
        root = Path(info.get("DockerRootDir") or "/nonexistent")
        temporary = root / "tmp" if _is_folder(root) else None
        if not uses_containerd_image_store(info):
            return Storage(root if _is_folder(root) else None, None, temporary)
        own = root / "containerd" / "daemon"  # of the containerd that the engine starts where none is installed
        address = (info.get("Containerd") or {}).get("Address") or ""
        folder = SYSTEM_CONTAINERD if address.startswith("/run/containerd/") else own
        existing = folder if _is_folder(folder) else None
        return Storage(existing, existing, None)  # the stream goes into the content store, and nowhere else before

    def identity(self) -> Identity:
        """What it calls images by. Asked again after a second: a restart, which takes longer, may have changed the image store."""
        now = time.monotonic()
        if self._identity is None or now - self._identity[0] > self._identity_lasts:
            self._identity = now, Identity.ROOT if uses_containerd_image_store(self.info()) else Identity.CONFIG
        return self._identity[1]

    def image_id(self, image: str) -> str:
        """What it calls a staged image now, if it has it.

        With the containerd image store that is the digest of the manifest, and an image with plain layers has a local one (ADR 0064),
        which our tag stands for.
        """
        if self.identity() is not Identity.ROOT or self.images.inspect(image) is not None:
            return image
        document = self.images.inspect(pin(image))
        return str(document["Id"]) if document else image

    def ensure_network(self, name: str, labels: Mapping[str, str]) -> None:
        """A bridge on which containers resolve each other's names."""
        with self._connection.call() as api:
            if not any(network["Name"] == name for network in api.networks(names=[name])):
                api.create_network(name, driver="bridge", labels=dict(labels), check_duplicate=True)

    def create_closed_network(self, name: str, labels: Mapping[str, str]) -> None:
        """A bridge from which there is no way on, whether the engine makes rules for iptables or not.

        What an engine calls internal is closed by such rules alone: older ones have a default route, and with
        `"iptables": false` it leads anywhere. Here the route leads to an address of the network's own that no machine has. Its subnet is
        one that the engine has chosen: a first network shows which. A newer engine, whose internal networks have no route at all, refuses
        such an address.
        """
        options: dict[str, Any] = {"driver": "bridge", "internal": True, "labels": dict(labels), "check_duplicate": True}
        with self._connection.call() as api:
            first = api.create_network(name, **options)["Id"]
            (pool,) = api.inspect_network(first)["IPAM"]["Config"]
            api.remove_network(first)
            nowhere = str(ipaddress.ip_network(pool["Subnet"])[-2])
            config = {"Subnet": pool["Subnet"], "AuxiliaryAddresses": {"DefaultGatewayIPv4": nowhere}}
        try:
            with self._connection.call() as api:
                api.create_network(name, ipam={"Driver": "default", "Config": [config]}, **options)
        except self._connection.errors.refused as error:
            if NO_GATEWAY not in str(error):
                raise
            with self._connection.call() as api:
                api.create_network(name, **options)

    def networks(self) -> dict[str, dict[str, str]]:
        """Labels by name."""
        with self._connection.call() as api:
            return {network["Name"]: network["Labels"] or {} for network in api.networks()}

    def remove_network(self, name: str) -> None:
        with self._connection.call() as api, ignore_missing():
            api.remove_network(name)

    def volumes(self, label: str | None = None) -> dict[str, dict[str, str]]:
        """Labels by name; of all volumes, or of those with this label."""
        with self._connection.call() as api:
            filters = {"label": label} if label else {}
            return {volume["Name"]: volume["Labels"] or {} for volume in api.volumes(filters=filters)["Volumes"] or []}

    def create_volume(self, name: str, labels: Mapping[str, str]) -> dict[str, str]:
        """The labels that it has then: a volume that exists already keeps its data and its labels."""
        with self._connection.call() as api:
            return dict(api.create_volume(name, labels=dict(labels))["Labels"] or {})

    def remove_volume(self, name: str) -> None:
        """With its data."""
        with self._connection.call() as api, ignore_missing():
            api.remove_volume(name)


def _is_folder(path: Path) -> bool:
    """False as well for one that we may not look at."""
    try:
        return path.is_dir()
    except OSError:
        return False
