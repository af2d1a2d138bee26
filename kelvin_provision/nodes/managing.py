"""Several nodes: tokens, joining, removing and draining. Each change is a line of the leader's history."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from kelvin_provision import timestamps
from kelvin_provision.context import Context
from kelvin_provision.errors import NodeRoleWrong, NodeUnknown, SettingMissing
from kelvin_provision.hints import command
from kelvin_provision.leading import identity
from kelvin_provision.ledger.nodes import membership as members
from kelvin_provision.ledger.nodes import reading, tokens
from kelvin_provision.ledger.nodes.model import Node, NodeToken
from kelvin_provision.nodes.client.joining import Itself, Token, follow, join
from kelvin_provision.nodes.keys import making
from kelvin_provision.nodes.keys.files import Membership, leads
from kelvin_provision.nodes.keys.roles import refuse_member
from kelvin_provision.refs import Platform
from kelvin_provision.tls.listen import split
from kelvin_provision.tls.names import addresses

LIFE = timedelta(minutes=15)


@dataclass(frozen=True)
class TokenMade:
    """`text` is the token, which is nowhere else; `url` where the node that joins reaches this leader."""

    text: str = field(repr=False)
    expires: str = ""
    url: str = ""
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {"token": self.text, "expires": self.expires, "leader": self.url}


@dataclass(frozen=True)
class JoinWish:
    """`token` is None for a member whose leader has another address. Names are those of the host where they are empty."""

    leader: str
    token: str | None
    name: str = ""
    cluster_node: str = ""


def make_token(ctx: Context) -> TokenMade:
    """For one node, once, within 15 minutes. Raises SettingMissing (nodes.listen), NodeRoleWrong on a member and with Docker."""
    refuse_member(ctx)
    if ctx.connections.choice.type == "docker":
        raise NodeRoleWrong("Docker Engine is a single node: only a k3s or Kubernetes cluster has more", hint=command("doctor"))
    listen = ctx.settings.nodes.listen
    if not listen:
        hint = command("config set", "nodes.listen", "0.0.0.0:30500", note="then restart the agent", sudo=True)
        raise SettingMissing("this node does not listen for others: nodes.listen is not set", hint=hint)
    authority = making.lead(ctx.settings.state_dir, ctx.now)
    identity.ensure(ctx.settings.state_dir)
    token = Token.of(making.certificate_of(authority))
    expires = timestamps.rfc3339(ctx.now + LIFE)
    tokens.add(ctx.ledger, NodeToken(token.hash, ctx.ledger.clock(), expires, ctx.actor))
    warnings = () if _answers(listen[0]) else (f"nothing listens on {listen[0]} yet: restart the agent",)
    return TokenMade(token.text, expires, _url(listen[0]), warnings)


def _answers(address: str) -> bool:
    host, port = split(address)
    try:
        with socket.create_connection(({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port), 2.0):  # noqa: S104  (it is compared)
            return True
    except OSError:
        return False


def _url(address: str) -> str:
    """As others reach it: where it is every address of this box, the first of them."""
    host, port = split(address)
    if host in {"0.0.0.0", "::"}:  # noqa: S104  (it is compared)
        host = next(iter(addresses()), host)
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


def join_leader(ctx: Context, wish: JoinWish) -> Membership:
    """Make this node a member. Raises NodeRoleWrong, UsageRefused, JoinRefused, LeaderUnreachable, NodeForeign, NodeProtocolInvalid."""
    state_dir = ctx.settings.state_dir
    if wish.token is None:
        return follow(state_dir, wish.leader)
    if leads(state_dir):
        raise NodeRoleWrong("this node leads others", hint=command("node list"))
    if ctx.connections.has_ledger and not ctx.ledger.is_empty():
        hint = command("workloads undeploy", names=("NAME",), note="or make this node the leader")
        raise NodeRoleWrong("this node has workloads of its own, and those of a member are matters of its leader", hint=hint)
    host = os.uname().nodename.lower()
    listen = ctx.settings.nodes.listen
    itself = Itself(wish.name or host, Platform.of_this_host(), wish.cluster_node or host, _served(listen[0]) if listen else "")
    return join(state_dir, wish.leader, Token.parse(wish.token), itself)


def _served(address: str) -> str:
    host, port = split(address)
    return f":{port}" if host in {"0.0.0.0", "::"} else address  # noqa: S104  (it is compared)


def remove(ctx: Context, name: str) -> Node:
    """Its key is foreign from now on. Its images stay where they are. Raises NodeUnknown, NodeRoleWrong."""
    refuse_member(ctx)
    return _known(name, members.remove(ctx.ledger, name, actor=ctx.actor))


def drain(ctx: Context, name: str, *, draining: bool = True) -> Node:
    """No new images are sent to it, or again; its pods are the cluster's matter. Raises NodeUnknown, NodeRoleWrong."""
    refuse_member(ctx)
    members.drain(ctx.ledger, name, draining=draining, actor=ctx.actor)
    return _known(name, reading.node(ctx.ledger, name))


def _known(name: str, node: Node | None) -> Node:
    if node is None:
        raise NodeUnknown(f"no member {name}")
    return node
