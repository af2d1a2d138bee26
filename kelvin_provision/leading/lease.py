"""The lease before every change: it is this box's, or nothing is changed. A box of one node has no name in it, and asks nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kelvin_provision.errors import LeadElsewhere, ProvisionError, StateDamaged
from kelvin_provision.leading import identity

if TYPE_CHECKING:
    from kelvin_provision.cluster.lease import Lease
    from kelvin_provision.cluster.protocol import Cluster


def require(state_dir: Path, cluster: Cluster) -> None:
    """Before a change. Raises LeadElsewhere, and what the cluster raises.

    The lead may move between this look and the change: one more request may then come from the box that has just lost it.
    """
    own = identity.read(state_dir)
    if own is None:
        return
    lease = cluster.lease()
    if lease is not None and (lease.holder != own.holder or own.over or lease.term != own.term):
        take(state_dir, own, cluster)


def refuse_elsewhere(state_dir: Path, cluster: Callable[[], Cluster]) -> None:
    """Before something is recorded that only a later change carries out, such as a deploy. Raises LeadElsewhere.

    Where the cluster does not answer, or the file of this box cannot be read for a moment, the change that follows asks again.
    """
    try:
        own = identity.read(state_dir)
        lease = None if own is None else cluster().lease()
    except StateDamaged:
        raise
    except ProvisionError:
        return
    if own is None:
        return
    if lease is not None and lease.holder not in {"", own.holder, own.over}:
        raise LeadElsewhere(elsewhere(lease))


def renew(state_dir: Path, cluster: Cluster) -> None:
    """At the beginning of an operation: the lease shows when its leader changed something last. Raises as `require`."""
    own = identity.read(state_dir)
    if own is not None:
        take(state_dir, own, cluster)


def take(state_dir: Path, own: identity.Leader, cluster: Cluster) -> Lease | None:
    """Take the lease if it is free, this box's, or that of the leader that a person has replaced by this box. Raises LeadElsewhere."""
    lease = cluster.take_lease(own.holder, term=own.term, over=own.over)
    if lease is None:
        return None
    if lease.holder != own.holder:
        raise LeadElsewhere(elsewhere(lease))
    if own.over or lease.term != own.term:
        identity.write(state_dir, replace(own, term=lease.term, over=""))
    return lease


def elsewhere(lease: Lease) -> str:
    """In words."""
    since = f" (its last change: {lease.renewed})" if lease.renewed else ""
    return f"this box does not lead the cluster: {identity.host_of(lease.holder)} does{since}"
