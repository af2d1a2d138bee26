"""The nodes that are brought images: our own and the members."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kelvin_provision.context import Context
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.ledger.nodes import places, reading
from kelvin_provision.ledger.nodes.model import Node, NodeImageState
from kelvin_provision.nodes.where.standing import NodeView
from kelvin_provision.refs import Platform
from kelvin_provision.spec.lock import ImageLock


@dataclass(frozen=True)
class Site:
    """`home` is the name of our node in the cluster. Only members that the cluster knows count: no pod runs on others."""

    home: str
    platform: Platform
    members: tuple[Node, ...]

    @property
    def platforms(self) -> Mapping[str, Platform]:
        """By the name in the cluster."""
        return {**{member.cluster_node: member.platform for member in self.members}, self.home: self.platform}


def leads(ctx: Context) -> bool:
    """Whether this box brings images to others, or would. A box of one node asks nothing more than this setting."""
    return bool(ctx.settings.nodes.listen) and ctx.connections.has_ledger


def members(ctx: Context) -> frozenset[str]:
    """The names of the members in the cluster; none on a box that leads no others."""
    return frozenset(member.cluster_node for member in named_members(ctx)) if leads(ctx) else frozenset()


def site(ctx: Context) -> Site:
    """Raises errors of the cluster."""
    info = ctx.cluster.info()
    return Site(info.node, info.platform, tuple(member for member in named_members(ctx) if member.cluster_node != info.node))


def named_members(ctx: Context) -> tuple[Node, ...]:
    """Those that the cluster knows."""
    return tuple(member for member in reading.nodes(ctx.ledger) if member.cluster_node)


def views(ctx: Context, here: Site, more: Iterable[ImageLock] = ()) -> Mapping[str, NodeView]:
    """Each node as the members said it, by the name in the cluster. `more`: images that are on this box as well by now."""
    images: dict[str, set[str]] = {}
    failed: dict[str, dict[str, str]] = {}
    for image in reading.node_images(ctx.ledger):
        if image.state is NodeImageState.HERE:
            images.setdefault(image.node, set()).add(image.image)
        elif image.why:
            failed.setdefault(image.node, {})[image.image] = image.why
    own = frozenset(lock.name for lock in (*places.whole_images(ctx.ledger), *more))
    return {
        here.home: NodeView(here.home, own, platform=here.platform),
        **{
            member.cluster_node: NodeView(
                member.name,
                frozenset(images.get(member.name, ())),
                failed.get(member.name, {}),
                member.away,
                member.draining,
                member.platform,
            )
            for member in here.members
        },
    }
