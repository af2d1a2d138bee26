"""What stands on the engine, seen through our labels. Pure.

The container that answers for a workload has the workload's own name, which is its name in the network's DNS as well.
Every other one is called `<workload>-r<revision>`. Renaming moves the DNS name at once and breaks no connection, which
disconnecting and connecting again with an alias does; so the name is the switch, and nothing else has to be remembered.

Two containers cannot have one name, so between the two renames nobody would answer (5 to 15 ms). But the engine tells names
apart by upper and lower case and its DNS does not: while the old one steps back, the new one has the name in upper case.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from kelvin_provision import timestamps
from kelvin_provision.cluster.labels import OWNER, REVISION, SPEC_HASH
from kelvin_provision.spec.workload import Object

NETWORK = "kelvin"

# Restart policies and what they say of a container.
COMMITTED = "unless-stopped"  # committed
STANDBY = "always"  # stopped for its successor to be tried: comes back by itself after a power cut
INACTIVE = "no"  # not verified yet, or kept for a roll-back


@dataclass(frozen=True)
class Live:
    """One container of ours and the engine's whole answer about it."""

    id: str
    name: str
    workload: str
    revision: int
    spec_hash: str
    inspect: Object

    @classmethod
    def of(cls, inspect: Object) -> Self:
        """Read the engine's answer."""
        labels = inspect["Config"]["Labels"] or {}
        revision = labels.get(REVISION, "")
        return cls(
            id=inspect["Id"],
            name=inspect["Name"].removeprefix("/"),
            workload=labels.get(OWNER, ""),
            revision=int(revision) if revision.isdigit() else 0,
            spec_hash=labels.get(SPEC_HASH, ""),
            inspect=inspect,
        )

    @property
    def state(self) -> dict[str, Any]:
        """The engine's `State`."""
        found: dict[str, Any] = self.inspect["State"]
        return found

    @property
    def running(self) -> bool:
        """Whether its process is there now. A container between two restarts counts: it holds its place."""
        return bool(self.state["Running"])

    @property
    def policy(self) -> str:
        """The restart policy's name."""
        return str(self.inspect["HostConfig"]["RestartPolicy"]["Name"] or "no")

    @property
    def serving(self) -> bool:
        """Whether it has the workload's own name."""
        return self.name == self.workload

    @property
    def resting_name(self) -> str:
        """Its name when it does not answer for the workload."""
        return f"{self.workload}-r{self.revision}"

    @property
    def address(self) -> str:
        """Where the box itself reaches it, or empty."""
        networks = self.inspect["NetworkSettings"]["Networks"] or {}
        return str((networks.get(NETWORK) or {}).get("IPAddress") or "")

    @property
    def started(self) -> datetime:
        """When its process began; year 1 when it never did."""
        return timestamps.parse(self.state["StartedAt"])

    @property
    def published(self) -> frozenset[tuple[int, str]]:
        """Host ports with their protocol, as asked for at creation."""
        bindings = self.inspect["HostConfig"]["PortBindings"] or {}
        return frozenset(
            (int(binding["HostPort"]), key.partition("/")[2] or "tcp")
            for key, all_of in bindings.items()
            for binding in all_of or []
            if (binding.get("HostPort") or "0") != "0"
        )

    @property
    def volumes(self) -> frozenset[str]:
        """Names of the volumes it has mounted."""
        return frozenset(mount["Name"] for mount in self.inspect["Mounts"] or [] if mount["Type"] == "volume")


def container_of(objects: Sequence[Object]) -> Object | None:
    """The one container among the objects of a revision."""
    return next((value for value in objects if value["kind"] == "Container"), None)


def revision_of(container: Object) -> int:
    """The revision that an object belongs to."""
    return int(container["metadata"]["labels"][REVISION])


def candidate_name(container: Object) -> str:
    """What a new container is called until it is verified."""
    return f"{container['metadata']['name']}-r{revision_of(container)}"


def double_name(workload: str) -> str:
    """What a container is called while another one answers for the workload too: to the engine another name, to its DNS the same."""
    return workload.upper()


def wanted_ports(container: Object) -> frozenset[tuple[int, str]]:
    """The host ports of an object with their protocol."""
    return frozenset((port["published"], port["protocol"]) for port in container["spec"]["ports"] if port["published"])


def matching(live: Iterable[Live], container: Object) -> Live | None:
    """The container made from this very object; of another revision only if it serves, because nothing has to be done then."""
    labels = container["metadata"]["labels"]
    same = [one for one in live if one.spec_hash == labels[SPEC_HASH]]
    exact = [one for one in same if one.revision == revision_of(container)]
    serving = [one for one in same if one.serving]
    return next(iter(exact), None) or next(iter(serving), None)


def clashes(old: Live, container: Object) -> tuple[str, ...]:
    """Why a container cannot run beside the old one, for people; empty when it can."""
    ports = sorted(old.published & wanted_ports(container))
    stores = sorted(old.volumes & {volume["name"] for volume in container["spec"]["volumes"]})
    return (
        *(f"both publish host port {port}/{protocol}" for port, protocol in ports),
        *(f"both write to volume {name}" for name in stores),
    )
