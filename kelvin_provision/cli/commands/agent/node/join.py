"""Join a leader: this node keeps the images that its workloads need."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from kelvin_provision.cli.frame import terminal
from kelvin_provision.cli.frame.declared import Argument, Option
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report
from kelvin_provision.errors import UsageRefused

_LEADER = Argument(metavar="LEADER", help="Its address: https://HOST:PORT.")
_TOKEN = Option("--token", metavar="TOKEN", help="What `node token` printed there; - reads it from standard input, or asks for it.")
_FILE = Option("--token-file", metavar="FILE", help="The token is the first line of this file, with mode 0600.")
_NAME = Option("--name", metavar="NAME", help="Another name than that of the host.")
_NODE = Option("--cluster-node", metavar="NODE", help="The name of this node in the cluster, if it is not that of the host.")
_LONGEST = 1024
_SEEN = "all users of this node could read the token in the list of processes until it was used; --token - and --token-file FILE hide it"


def command(
    session: Session,
    leader: Annotated[str, _LEADER],
    *,
    token: Annotated[str | None, _TOKEN] = None,
    token_file: Annotated[Path | None, _FILE] = None,
    name: Annotated[str, _NAME] = "",
    cluster_node: Annotated[str, _NODE] = "",
) -> Report:
    """Join a leader: this node keeps the images that its workloads need.

    Its agent fetches them from the leader and from other members, keeps them in the container runtime, and goes on keeping them when the
    leader is away. Without a token, a member follows its leader to another address, or to the box that took over the lead.
    """
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.nodes.managing import JoinWish, join_leader

    given = _given(token, token_file)
    with context_of(session) as ctx:
        member = join_leader(ctx, JoinWish(leader, given, name, cluster_node))
    warnings = (_SEEN,) if token not in {None, "-"} else ()
    then = "kelvin-provision agent install, or agent restart where it is installed: the agent fetches and keeps the images"
    return Report("node join", (Item("node", member.name, f"member of {member.leader}"),), warnings=warnings, next_step=then)


def _given(token: str | None, file: Path | None) -> str | None:
    """Raises UsageRefused."""
    if token is not None and file is not None:
        raise UsageRefused("--token and --token-file contradict each other")
    if file is not None:
        from kelvin_provision.cli.frame.values.files import secret_in

        return secret_in(file, "token", UsageRefused)
    if token != "-":  # noqa: S105  (no secret)
        return token
    if terminal.is_terminal(sys.stdin):
        from kelvin_provision.cli.frame.confirm import secret

        return secret("Token: ")
    return sys.stdin.readline(_LONGEST)
