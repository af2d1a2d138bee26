"""The nodes of this site, as this one knows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from kelvin_provision.context import Context
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.ledger.nodes import reading
from kelvin_provision.ledger.nodes.model import Node, NodeImageState
from kelvin_provision.nodes.keys import files


@dataclass(frozen=True)
class NodeItem:
    """`complete` of `images` are on the member, `failed` of them it could not get."""

    node: Node
    complete: int
    failed: int
    images: int
    why: str = ""

    @property
    def state(self) -> str:
        return "away" if self.node.away else "draining" if self.node.draining else "here"

    def to_json(self) -> dict[str, Any]:
        node = self.node
        return {
            "name": node.name,
            "state": self.state,
            "cluster_node": node.cluster_node,
            "platform": str(node.platform),
            "address": node.address,
            "key": node.key,
            "version": node.version,
            "joined": node.joined,
            "away_since": node.away,
            "draining": node.draining,
            "free": node.free,
            "images": {"complete": self.complete, "failed": self.failed, "total": self.images},
            "problems": [*node.problems, *([self.why] if self.why else [])],
        }


@dataclass(frozen=True)
class NodesAnswer:
    """`role` is single, leader or member; `leader` is the address of a member's leader."""

    role: str
    leader: str | None
    nodes: tuple[NodeItem, ...]

    def to_json(self) -> dict[str, Any]:
        return {"role": self.role, "leader": self.leader, "nodes": [item.to_json() for item in self.nodes]}


def nodes(ctx: Context) -> NodesAnswer:
    """Asks the ledger only. Raises StateDamaged."""
    known = files.membership(ctx.settings.state_dir)
    if known:
        return NodesAnswer("member", known.leader, ())
    members = reading.nodes(ctx.ledger) if ctx.connections.has_ledger else ()
    images = reading.node_images(ctx.ledger) if members else ()
    counts = Counter((image.node, image.state) for image in images)
    totals = Counter(image.node for image in images)
    why = {image.node: image.why for image in images if image.state is NodeImageState.FAILED}
    items = tuple(
        NodeItem(
            node,
            counts[node.name, NodeImageState.HERE],
            counts[node.name, NodeImageState.FAILED],
            totals[node.name],
            why.get(node.name, ""),
        )
        for node in members
    )
    leads = members or ctx.settings.nodes.listen or files.leads(ctx.settings.state_dir)
    return NodesAnswer("leader" if leads else "single", None, items)


@dataclass(frozen=True)
class SiteState:
    """`days_left` of the certificate with which this node shows itself to others; None without one."""

    known: NodesAnswer
    listen: Sequence[str]
    days_left: float | None


def site_state(ctx: Context, now: datetime) -> SiteState:
    """Asks no other node."""
    known = nodes(ctx)
    if known.role == "single":
        return SiteState(known, (), None)
    chain = files.own_certificate(ctx.settings.state_dir)
    return SiteState(known, ctx.settings.nodes.listen, chain.leaf.days_left(now) if chain else None)
