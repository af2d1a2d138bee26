"""List the members of this leader with their images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kelvin_provision import timestamps
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import SCHEMA, Report, Table

if TYPE_CHECKING:
    from kelvin_provision.nodes.overview import NodeItem, NodesAnswer


def command(session: Session) -> Report:
    """List the members of this leader with their images.

    `away`: not heard of for two minutes; what it has is kept there. `draining`: no new images are sent to it. On a member, names its
    leader.
    """
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.nodes.overview import nodes

    with context_of(session) as ctx:
        known = nodes(ctx)
    head = ("name", "state", "images", "platform", "node of the cluster")
    below = {number: problems for number, item in enumerate(known.nodes) if (problems := _problems(item))}
    wide = frozenset({"platform", "node of the cluster"})
    table = Table(head, [_row(item) for item in known.nodes], wide=wide, empty=_empty(known), below=below)
    document = {"schema": SCHEMA, **known.to_json()}
    return Report("node list", table=table, document=document, names=tuple(item.node.name for item in known.nodes))


def _empty(known: NodesAnswer) -> str:
    if known.leader:
        return f"This node is a member of {known.leader}."
    return "No other node has joined." if known.role == "leader" else "This box has one node."


def _row(item: NodeItem) -> tuple[str, ...]:
    node = item.node
    state = f"away since {timestamps.local(node.away, 'minutes')}" if node.away else item.state
    return node.name, state, f"{item.complete}/{item.images}", str(node.platform), node.cluster_node


def _problems(item: NodeItem) -> tuple[str, ...]:
    return tuple(filter(None, (*item.node.problems, item.why)))
