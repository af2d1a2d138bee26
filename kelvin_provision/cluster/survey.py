"""What a cluster says beyond a plan, as plain values: for those who look before touching. Pure."""

from __future__ import annotations

from typing import NamedTuple

from kelvin_provision.cluster.protocol import ClusterInfo, Finding


class Use(NamedTuple):
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


class Filesystem(NamedTuple):
    """What all workloads together need of one thing while they change, and what is left of it: CPUs, bytes, or a number."""

    resource: str
    needed: float
    free: float


class Survey(NamedTuple):
    """`denied` are the things that the change would do and may not, as short words; `granted` how many it may.

    `held` are ports that something outside of the cluster listens on; `verifies`: the kubelet remembers who may use an image.
    """

    uses: tuple[Use, ...] = ()
    rooms: tuple[Filesystem, ...] = ()
    denied: tuple[str, ...] = ()
    granted: int = 0
    held: tuple[Finding, ...] = ()
    verifies: bool = False


class Condition(NamedTuple):
    """One thing that a node says of itself."""

    name: str
    well: bool
    text: str = ""


class ClusterState(NamedTuple):
    """`identity` names this very cluster for as long as it lives; `namespace` is its phase, `missing`, or empty where there are none."""

    info: ClusterInfo
    address: str
    identity: str
    conditions: tuple[Condition, ...] = ()
    namespace: str = ""
