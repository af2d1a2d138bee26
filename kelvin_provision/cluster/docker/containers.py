"""The containers of a workload, seen through our labels. Pure.

The container that serves a workload has the workload's own name, which is its name in the network's DNS as well. Every other one is
called `<workload>-r<revision>`. Renaming moves the DNS name at once and breaks no connection (disconnecting and reconnecting with an
alias does), so the name alone decides which container serves.

Two containers cannot have one name, and between two renames no container would answer for 5 to 15 ms. But the engine compares names
case-sensitively and its DNS does not: until the old container is renamed, the new one has the name in upper case.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from kelvin_provision import timestamps
from kelvin_provision.cluster.labels import OWNER, REVISION, SPEC_HASH
from kelvin_provision.quantity import parse_count
from kelvin_provision.spec.workload import Object

NETWORK = "kelvin"

OWN_CHECK = "kelvin-provision/readiness"
"""On a container whose manifest has a readiness probe: the check of its image does not count then."""

# A container's restart policy tells its state across a power cut.
COMMITTED = "unless-stopped"  # verified: the current version
STANDBY = "always"  # stopped while its successor is verified; starts by itself after a power cut
INACTIVE = "no"  # not verified yet, or kept for a rollback


@dataclass(frozen=True)
class LiveContainer:
    """One container that carries our label. `document` is the engine's whole answer about it."""

    id: str
    name: str
    workload: str
    revision: int
    spec_hash: str
    document: Object

    @classmethod
    def of(cls, document: Object) -> Self:
        labels = document["Config"]["Labels"] or {}
        revision = labels.get(REVISION, "")
        return cls(
            id=document["Id"],
            name=document["Name"].removeprefix("/"),
            workload=labels.get(OWNER, ""),
            revision=parse_count(revision) or 0,
            spec_hash=labels.get(SPEC_HASH, ""),
            document=document,
        )

    def is_ours(self, image_labels: Mapping[str, str]) -> bool:
        """Whether this program created it. `docker commit` copies our labels into an image, and with it to every container of that image.

        So labels that its image has do not count, and the name must be one that this program gives.
        """
        own = {OWNER: self.workload, REVISION: str(self.revision), SPEC_HASH: self.spec_hash}
        inherited = all(image_labels.get(label) == value for label, value in own.items())
        names = {self.workload, self.standby_name, takeover_name(self.workload)}
        return bool(self.workload) and self.name in names and not inherited

    @property
    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = self.document["State"]
        return state

    @property
    def running(self) -> bool:
        """True between two restarts as well."""
        return bool(self.state["Running"])

    @property
    def restarting(self) -> bool:
        return bool(self.state.get("Restarting"))

    @property
    def restart_count(self) -> int:
        return int(self.document.get("RestartCount") or 0)

    @property
    def restart_policy(self) -> str:
        return str(self.document["HostConfig"]["RestartPolicy"]["Name"] or "no")

    @property
    def serving(self) -> bool:
        """Whether it has the workload's own name."""
        return self.name == self.workload

    @property
    def has_own_check(self) -> bool:
        """Whether its manifest has a readiness probe."""
        return OWN_CHECK in (self.document["Config"]["Labels"] or {})

    @property
    def standby_name(self) -> str:
        """Its name while another container serves."""
        return f"{self.workload}-r{self.revision}"

    @property
    def address(self) -> str:
        """Its address as this box reaches it, or empty."""
        networks = self.document["NetworkSettings"]["Networks"] or {}
        return str((networks.get(NETWORK) or {}).get("IPAddress") or "")

    @property
    def started(self) -> datetime:
        """When its present process began; year 1 for a container that was never started."""
        return timestamps.parse(self.state["StartedAt"])

    @property
    def ever_started(self) -> bool:
        return self.started.year > 1

    @property
    def published_ports(self) -> frozenset[tuple[int, str]]:
        """Host ports with their protocol, as given at its creation."""
        bindings = self.document["HostConfig"]["PortBindings"] or {}
        return frozenset(
            (int(binding["HostPort"]), key.partition("/")[2] or "tcp")
            for key, port_bindings in bindings.items()
            for binding in port_bindings or []
            if (binding.get("HostPort") or "0") != "0"
        )

    @property
    def volumes(self) -> frozenset[str]:
        """Names of the volumes that are mounted."""
        return frozenset(mount["Name"] for mount in self.document["Mounts"] or [] if mount["Type"] == "volume")


def container_object(objects: Sequence[Object]) -> Object | None:
    """The one container among the objects of a revision."""
    return next((value for value in objects if value["kind"] == "Container"), None)


def revision_of(container: Object) -> int:
    return int(container["metadata"]["labels"][REVISION])


def candidate_name(container: Object) -> str:
    """The name of a new container until it is verified."""
    return f"{container['metadata']['name']}-r{revision_of(container)}"


def takeover_name(workload: str) -> str:
    """The name of a new container while the old one has the workload's: another to the engine, the same to its DNS."""
    return workload.upper()


def desired_ports(container: Object) -> frozenset[tuple[int, str]]:
    """The host ports of an object with their protocol."""
    return frozenset((port["published"], port["protocol"]) for port in container["spec"]["ports"] if port["published"])


def find_serving(containers: Iterable[LiveContainer]) -> LiveContainer | None:
    return next((container for container in containers if container.serving), None)


def find_matching(containers: Iterable[LiveContainer], desired: Object) -> LiveContainer | None:
    """The container made from this object; one of another revision with the same spec only if it serves, as nothing has to change then."""
    same_spec = [container for container in containers if container.spec_hash == desired["metadata"]["labels"][SPEC_HASH]]
    same_revision = (container for container in same_spec if container.revision == revision_of(desired))
    return next(same_revision, None) or find_serving(same_spec)


def superseded(others: Sequence[LiveContainer], *, below: int | None = None) -> list[LiveContainer]:
    """All but the one that is kept for a rollback: the newest that was ever started; with `below`, of an earlier revision than that."""
    candidates = [container for container in others if container.ever_started and (below is None or container.revision < below)]
    kept = max(candidates, key=lambda container: container.revision, default=None)
    return [container for container in others if container is not kept]


def conflicts(old: LiveContainer, desired: Object) -> tuple[str, ...]:
    """Why a new container cannot run beside the old one; empty when it can."""
    ports = sorted(old.published_ports & desired_ports(desired))
    volumes = sorted(old.volumes & {volume["name"] for volume in desired["spec"]["volumes"]})
    return (
        *(f"both publish host port {port}/{protocol}" for port, protocol in ports),
        *(f"both write to volume {name}" for name in volumes),
    )
