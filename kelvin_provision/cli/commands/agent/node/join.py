"""Join a leader: this node keeps the images that its workloads need."""

from __future__ import annotations

import sys
from typing import Annotated

from kelvin_provision.cli.frame.declared import Argument, Option
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report

_LEADER = Argument(metavar="LEADER", help="Its address: https://HOST:PORT.")
_TOKEN = Option("--token", metavar="TOKEN", help="What `node token` printed there; - reads it from standard input.")
_NAME = Option("--name", metavar="NAME", help="Another name than that of the host.")
_NODE = Option("--cluster-node", metavar="NODE", help="The name of this node in the cluster, if it is not that of the host.")
_LONGEST = 1024


def command(
    session: Session,
    leader: Annotated[str, _LEADER],
    *,
    token: Annotated[str | None, _TOKEN] = None,
    name: Annotated[str, _NAME] = "",
    cluster_node: Annotated[str, _NODE] = "",
) -> Report:
    """Join a leader: this node keeps the images that its workloads need.

    Its agent fetches them from the leader and from other members, keeps them in the container runtime, and goes on keeping them when the
    leader is away. Without a token, a member follows its leader to another address, or to the box that took over the lead.
    """
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.nodes.managing import JoinWish, join_leader

    given = sys.stdin.readline(_LONGEST) if token == "-" else token  # noqa: S105  (no secret)
    with context_of(session) as ctx:
        member = join_leader(ctx, JoinWish(leader, given, name, cluster_node))
    warning = "the agent of this node keeps the images: kelvin-provision agent install, or agent restart where it is installed"
    return Report("node join", (Item("node", member.name, f"member of {member.leader}"),), warnings=(warning,))
