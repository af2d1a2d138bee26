"""What a cluster says beyond a plan, as plain values: for those who look before touching. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from kelvin_provision.cluster.protocol import ClusterInfo, Finding


@dataclass(frozen=True)
class Use:
    """One container of what is wanted. `policy` is always, missing or never; `pinned`: by digest, so that nothing moves under it.

    `host` is its registry; `login` says whether its pod carries a login for pulling.
    """

    workload: str
    container: str
    image: str
    policy: str
    pinned: bool
    host: str = ""
    login: bool = False


@dataclass(frozen=True)
class Room:
    """What all workloads together need of one thing while they change, and what is left of it: CPUs, bytes, or a number."""

    resource: str
    needed: float
    free: float


@dataclass(frozen=True)
class Survey:
    """`denied` are the things that the change would do and may not, as short words; `granted` how many it may.

    `held` are ports that something outside of the cluster listens on; `verifies`: the kubelet remembers who may use an image.
    """

    uses: tuple[Use, ...] = ()
    rooms: tuple[Room, ...] = ()
    denied: tuple[str, ...] = ()
    granted: int = 0
    held: tuple[Finding, ...] = ()
    verifies: bool = False


@dataclass(frozen=True)
class Condition:
    """One thing that a node says of itself."""

    name: str
    well: bool
    text: str = ""


@dataclass(frozen=True)
class ClusterState:
    """`identity` names this very cluster for as long as it lives; `namespace` is its phase, `missing`, or empty where there are none."""

    info: ClusterInfo
    address: str
    identity: str
    conditions: tuple[Condition, ...] = ()
    namespace: str = ""
