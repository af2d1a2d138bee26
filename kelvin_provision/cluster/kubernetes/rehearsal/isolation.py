"""Cut a rehearsal off, and see that it is: its sandbox reaches the API server before the policy and nothing after it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.rehearsal import network
from kelvin_provision.cluster.kubernetes.rehearsal.network import Address
from kelvin_provision.spec.workload import Object

TICK = 0.1
SANDBOX_SECONDS = 60.0
"""That a sandbox may take; a node without room has said so before."""

ENFORCED_SECONDS = 10.0
"""That a network plugin may take from the policy to its rules."""

CONTROL_SECONDS = 5.0
"""That the network of a new sandbox may take until something can be reached."""

NOT_ENFORCED = (
    "the network plugin of this cluster does not enforce network policies, so it could reach real machines; --allow-network accepts that"
)
NOT_SEEN = (
    "whether this cluster enforces network policies cannot be tried from here (that needs root on the node, which the agent's service has "
    "not); rehearse once as root at a terminal, or accept it with --allow-network"
)
NO_CONTROL = "its sandbox reached nothing even before it was cut off, so it cannot be seen that the policy is what holds; --allow-network"
NO_SANDBOX = "no sandbox of it came up on this node"


@dataclass(frozen=True)
class Cut:
    """`reason` is why the isolation cannot be relied on, empty where it can. `enforced`: what was seen of the cluster, None: nothing."""

    reason: str = ""
    enforced: bool | None = None


def cut_off(api: Api, pods: Sequence[Object], policies: Sequence[Object], stop: Callable[[], bool]) -> Cut:
    """Make the policies for these held-back pods, and return when none of them reaches anything any more."""
    addresses = tuple(_addresses(api))
    namespaces = {pod["metadata"]["uid"]: _sandbox(pod["metadata"]["uid"], stop) for pod in pods}
    if not all(namespaces.values()):
        return Cut(NO_SANDBOX)
    places = [place for place in namespaces.values() if place]
    before = [_control(place, addresses, stop) for place in places]
    for policy in policies:
        api.create(policy, policy["metadata"]["namespace"])
    if not all(before):
        return Cut(NO_CONTROL)
    deadline = time.monotonic() + ENFORCED_SECONDS
    while any(network.reached(place, addresses) for place in places):
        if time.monotonic() > deadline or stop():
            return Cut(NOT_ENFORCED, enforced=False)
        time.sleep(TICK)
    return Cut(enforced=True)


def _addresses(api: Api) -> Iterator[Address]:
    """The API server, as pods reach it, and where it is: something that listens on every cluster."""
    service = api.get("v1", "Service", "kubernetes", "default") or {}
    spec = service.get("spec") or {}
    for port in spec.get("ports") or ():
        if spec.get("clusterIP"):
            yield spec["clusterIP"], int(port["port"])
    endpoints = api.get("v1", "Endpoints", "kubernetes", "default") or {}
    for subset in endpoints.get("subsets") or ():
        for address in subset.get("addresses") or ():
            yield from ((address["ip"], int(port["port"])) for port in subset.get("ports") or ())


def _sandbox(uid: str, stop: Callable[[], bool]) -> Path | None:
    deadline = time.monotonic() + SANDBOX_SECONDS
    while (place := network.sandbox(uid)) is None:
        if time.monotonic() > deadline or stop():
            return None
        time.sleep(TICK)
    return place


def _control(place: Path, addresses: Sequence[Address], stop: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + CONTROL_SECONDS
    while not network.reached(place, addresses):
        if time.monotonic() > deadline or stop():
            return False
        time.sleep(TICK)
    return True
