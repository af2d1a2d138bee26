"""The agent among several nodes: what it serves as a leader, and its whole work as a member. A box of one node imports nothing of it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack

from kelvin_provision import timestamps
from kelvin_provision.context import Context, separate
from kelvin_provision.errors import ProvisionError
from kelvin_provision.events import Note
from kelvin_provision.leading import identity
from kelvin_provision.nodes.client.links import RemoteLinks
from kelvin_provision.nodes.keys import making
from kelvin_provision.nodes.keys.files import Membership
from kelvin_provision.nodes.member.service import Member
from kelvin_provision.nodes.serving.blobs import BlobServer
from kelvin_provision.nodes.serving.leader import LeaderRoutes
from kelvin_provision.nodes.serving.server import MemberHandler, leader_server, listeners, member_server
from kelvin_provision.nodes.where.placement import Placed

AGAIN = 30.0
"""Seconds after which a server that could not start is tried again."""
RENEWAL = 6 * 3600.0
"""Seconds between two looks at the days that a certificate has left."""


def lead(ctx: Context, ended: threading.Event) -> None:
    """Serve the members until the agent ends. What keeps it from that is said once, and tried again."""
    complaint = ""
    while not ended.is_set():
        try:
            with separate(ctx, progress=ctx.progress, stop=ended.is_set) as own:
                _serve_members(own, ended)
        except ProvisionError as error:
            if str(error) != complaint:
                complaint = str(error)
                ctx.progress(Note(f"this node does not serve other nodes: {complaint}"))
            ended.wait(AGAIN)


def _serve_members(ctx: Context, ended: threading.Event) -> None:
    settings = ctx.settings
    authority = making.lead(settings.state_dir, timestamps.now())
    identity.ensure(settings.state_dir)
    opened = listeners(settings)
    routes = LeaderRoutes(ctx, authority, Placed())
    server = leader_server(settings, opened, routes, BlobServer(ctx.store, settings.nodes.rate))
    server.start()
    ctx.progress(Note(f"serving other nodes on {', '.join(server.urls)}"))
    try:
        while not ended.wait(RENEWAL):
            making.lead(settings.state_dir, timestamps.now())
    finally:
        server.close()
        routes.close()


def follow(ctx: Context, membership: Membership, *, until_idle: bool = False) -> None:
    """The work of a member, until `ctx.stop` or as `Member.run`. Where it cannot serve its peers, it says so once and does all else."""
    settings, ended = ctx.settings, threading.Event()
    handler = MemberHandler(BlobServer(ctx.store))
    with ExitStack() as stack:
        address = ""
        try:
            opened = listeners(settings)
            if opened:
                server = member_server(settings, opened, handler)
                server.start()
                stack.callback(server.close)
                address = _told(server.urls[0])
        except ProvisionError as error:
            ctx.progress(Note(f"this node does not serve its peers: {error}"))
        opened_links: list[RemoteLinks] = []

        def connect() -> RemoteLinks:
            opened_links.append(RemoteLinks(settings, membership))
            return opened_links[-1]

        member = Member.of(ctx, connect, node=membership.cluster_node, address=address, use=handler.use)
        stack.callback(_close, opened_links)
        renewal = threading.Thread(target=_renew, args=(ctx, membership, ended), name="renewal", daemon=True)
        renewal.start()
        stack.callback(renewal.join, ctx.timings.agent_goodbye)
        stack.callback(ended.set)
        member.run(until_idle=until_idle)


def _close(opened: Sequence[RemoteLinks]) -> None:
    for links in opened:
        links.close()


def _told(url: str) -> str:
    """For the leader: an address that means all of this node is the one that the leader sees."""
    host, _, port = url.removeprefix("https://").rpartition(":")
    return f":{port}" if host in {"0.0.0.0", "[::]"} else f"{host}:{port}"  # noqa: S104  (it is compared)


def _renew(ctx: Context, membership: Membership, ended: threading.Event) -> None:
    while not ended.is_set():
        links = RemoteLinks(ctx.settings, membership)
        try:
            if links.renew_if_due(timestamps.now()):
                ctx.progress(Note("this node has another key and certificate"))
        except ProvisionError as error:
            ctx.progress(Note(f"the certificate of this node was not renewed: {error}"))
        finally:
            links.close()
        ended.wait(RENEWAL)
