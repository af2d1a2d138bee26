"""What a cluster tells of itself and of a planned change, as plain values for checks. Pure."""

from __future__ import annotations

from typing import NamedTuple

from kelvin_provision.cluster.plan import Finding
from kelvin_provision.hints import Hint
from kelvin_provision.refs import Platform


class ClusterInfo(NamedTuple):
    """`type` is kubernetes or docker; `node` is the name of this box in the cluster.

    `node_label`: the value by which Kubernetes selects this node for a pod, which need not be its name; empty where there is none.
    """

    type: str
    version: str
    node: str
    platform: Platform
    node_label: str = ""


class Condition(NamedTuple):
    """One condition of a node. `critical`: workloads cannot be relied upon until it is healthy. `hint` is a command that tells more."""

    name: str
    healthy: bool
    message: str = ""
    critical: bool = True
    hint: Hint = Hint()


class ClusterState(NamedTuple):
    """`identity` is this cluster's own for as long as it exists; `namespace` is its phase, `missing`, or empty where there are none."""

    info: ClusterInfo
    address: str
    identity: str
    conditions: tuple[Condition, ...] = ()
    namespace: str = ""


class ImageUse(NamedTuple):
    """The image of one container. `pull_policy` is always, missing or never; `pinned`: named by digest.

    `host` is its registry; `has_login`: whether its pod has credentials for pulling.
    """

    workload: str
    container: str
    image: str
    pull_policy: str
    pinned: bool
    host: str = ""
    has_login: bool = False


class ResourceDemand(NamedTuple):
    """What all new containers together request of one resource while old ones still run, and what is available."""

    resource: str
    requested: float
    available: float


class Unplaceable(NamedTuple):
    """Pods that are not scheduled: `taints` of the node that they do not tolerate; if there are none, their selector matches no node."""

    workload: str
    object: str
    node: str = ""
    taints: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.taints:
            return f"{self.object}: its node selector or node affinity matches no node of the cluster"
        return f"{self.object}: node {self.node} has the taint {', '.join(self.taints)}, which its pods do not tolerate"


class Survey(NamedTuple):
    """`denied` are missing permissions in words; `allowed` counts the others, None where the cluster has no permissions at all.

    `port_conflicts` are ports that a program outside of the cluster listens on. `enforces_requests`: a container whose requests do not
    fit is not started. `verifies_credentials`: a pod without a login may be refused an image that is present. `always_verified`: images
    that need their registry at every start, because of this setting of the node. `room_of`: the nodes whose resources were reckoned
    together; empty where there is only ours.
    """

    images: tuple[ImageUse, ...] = ()
    resources: tuple[ResourceDemand, ...] = ()
    denied: tuple[str, ...] = ()
    allowed: int | None = 0
    port_conflicts: tuple[Finding, ...] = ()
    enforces_requests: bool = True
    verifies_credentials: bool = False
    unplaceable: tuple[Unplaceable, ...] = ()
    always_verified: frozenset[str] = frozenset()
    room_of: tuple[str, ...] = ()
