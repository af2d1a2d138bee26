"""Of which other platforms the members are that may run a version: it is resolved for each of them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from kelvin_provision.context import Context
from kelvin_provision.errors import ProvisionError
from kelvin_provision.ledger.model.workloads import Revision
from kelvin_provision.ledger.nodes.model import Node
from kelvin_provision.nodes.where.site import leads, named_members
from kelvin_provision.refs import Platform, Reference
from kelvin_provision.spec.images import images_of
from kelvin_provision.spec.workload import Spec


def other_platforms(ctx: Context, revision: Revision, own: Platform) -> tuple[Platform, ...]:
    """None on a site of one platform, and nothing is asked for that. Where the cluster does not answer, those of all members."""
    return platforms_for(ctx, revision.spec, revision.number, own)


def platforms_for(ctx: Context, spec: Spec, number: int, own: Platform) -> tuple[Platform, ...]:
    """As `other_platforms`, of a request that is no version yet."""
    others = _others(ctx, own)
    if others:
        with suppress(ProvisionError):
            others = _that_may_run(ctx, spec, number, others)
    return _distinct(others)


def platforms_of_members(ctx: Context, own: Platform) -> tuple[Platform, ...]:
    """All that are not as ours."""
    return _distinct(_others(ctx, own))


def _others(ctx: Context, own: Platform) -> Sequence[Node]:
    return [member for member in named_members(ctx) if not _alike(own, member.platform)] if leads(ctx) else []


def _distinct(nodes: Sequence[Node]) -> tuple[Platform, ...]:
    return tuple(sorted({node.platform for node in nodes}, key=str))


def _that_may_run(ctx: Context, spec: Spec, number: int, others: Sequence[Node]) -> Sequence[Node]:
    """An image that no container names is needed on each of them. Raises errors of the cluster, RequestRefused."""
    objects = ctx.cluster.render(spec, (), number, frozenset(member.cluster_node for member in named_members(ctx)))
    where = ctx.cluster.places({spec.name: objects})
    named = {Reference.parse(image) for place in where for image in place.images}
    if any(Reference.parse(image) not in named for image in images_of(spec)):
        return others
    nodes = {node for place in where for node in place.nodes}
    return [member for member in others if member.cluster_node in nodes]


def _alike(own: Platform, other: Platform) -> bool:
    return own.accepts(other) and other.accepts(own)
