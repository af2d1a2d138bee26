"""The node server: which route, and who may ask. In a thread of the agent, where `nodes.listen` is set or this node is a member."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType

from kelvin_provision.errors import ProvisionError
from kelvin_provision.nodes.checked import LARGEST
from kelvin_provision.nodes.keys.contexts import server_context
from kelvin_provision.nodes.keys.files import key_id, own_chain
from kelvin_provision.nodes.protocol import PREFIX, Wanted
from kelvin_provision.nodes.serving.blobs import BlobServer, digest_in
from kelvin_provision.nodes.serving.leader import LeaderRoutes
from kelvin_provision.refs import Descriptor
from kelvin_provision.serving.addresses import Listener, listening
from kelvin_provision.serving.loop import ServerThread
from kelvin_provision.serving.messages import Answer, Refused, Request
from kelvin_provision.settings.model import Settings
from kelvin_provision.tls.x509 import InvalidCertificate

CONNECTIONS = 256
"""Of all nodes together: a silent one costs 30 KiB."""
UNSENT = 128 << 10
"""Bytes of a connection that the kernel holds beyond what is on its way: when a client is killed, they were read for nothing."""
_DEFAULT: Mapping[str, float] = MappingProxyType({})
_JOIN = ("POST", f"{PREFIX}/join")
_LIMITS = {("POST", f"{PREFIX}/{name}"): LARGEST[name] for name in ("report", "renew")}


class LeaderHandler:
    def __init__(self, routes: LeaderRoutes, blobs: BlobServer) -> None:
        self._routes, self._blobs = routes, blobs

    def longest(self, request: Request) -> int:
        """Of a client without a certificate, only what joins is kept in memory."""
        route = request.method, request.target
        if route == _JOIN:
            return LARGEST["join"]
        if route in _LIMITS:
            shown_key(request)
        return _LIMITS.get(route, 0)

    async def answer(self, request: Request) -> Answer:
        """What keeps this node from it, such as a full disk, is said to the one who asks: it tries again."""
        try:
            return await self._answer(request)
        except ProvisionError as error:
            raise Refused(503, str(error), headers={"Retry-After": "2"}) from error

    async def _answer(self, request: Request) -> Answer:
        route = request.method, request.target
        if route == ("GET", f"{PREFIX}/authority"):
            return self._routes.authority()
        if route == _JOIN:
            return await self._routes.join(request)
        key = shown_key(request)
        member = await self._routes.member(key)
        if route == ("GET", f"{PREFIX}/wanted"):
            return await self._routes.wanted_document(member, request)
        if route == ("POST", f"{PREFIX}/report"):
            return await self._routes.report(member, request)
        if route == ("POST", f"{PREFIX}/renew"):
            return await self._routes.renew(member, request)
        if digest_in(request.target) is None or request.method == "POST":
            raise Refused(404)
        return await self._blobs.answer(request, member.name, await self._routes.allowed(member), partial(self._routes.knows, key))


class MemberHandler:
    """Blobs only, for the peers that the leader names. `use` takes what it names; until then there is none."""

    def __init__(self, blobs: BlobServer) -> None:
        self._blobs = blobs
        self._peers: Mapping[str, str] = {}
        self._allowed: Mapping[str, Descriptor] = {}

    def use(self, document: Wanted) -> None:
        """From any thread."""
        self._allowed = {blob.digest: blob for image in document.images for blob in image.lock.blobs()}
        self._peers = {peer.key: peer.name for peer in document.peers}
        self._blobs.limit(document.rate)

    def longest(self, request: Request) -> int:  # noqa: ARG002  (the protocol's signature)
        return 0

    async def answer(self, request: Request) -> Answer:
        key = shown_key(request)
        name = self._peers.get(key)
        if name is None:
            raise Refused(403, "the leader names no peer with this key")
        if request.method == "POST":
            raise Refused(405)
        return await self._blobs.answer(request, name, self._allowed, partial(self._knows, key))

    async def _knows(self, key: str) -> bool:
        return key in self._peers


def shown_key(request: Request) -> str:
    """Raises Refused for a client without a certificate."""
    try:
        return key_id(request.certificate or b"")
    except InvalidCertificate as error:
        raise Refused(401, "a certificate of a node is needed") from error


class NodeContext:
    """The TLS context of new connections, made again when the certificate was renewed."""

    def __init__(self, settings: Settings) -> None:
        self._state_dir = settings.state_dir
        self._made: tuple[bytes, ssl.SSLContext] | None = None

    def __call__(self) -> ssl.SSLContext:
        chain = own_chain(self._state_dir)
        if self._made is None or self._made[0] != chain.leaf.der:
            self._made = chain.leaf.der, server_context(chain)
        return self._made[1]


def leader_server(
    settings: Settings, listeners: Sequence[Listener], routes: LeaderRoutes, blobs: BlobServer, limits: Mapping[str, float] = _DEFAULT
) -> ServerThread:
    """Made, not started."""
    handler, context = LeaderHandler(routes, blobs), NodeContext(settings)
    return ServerThread(listeners, context, handler, connections=CONNECTIONS, beside=(routes.watch,), limits=limits)


def member_server(
    settings: Settings, listeners: Sequence[Listener], handler: MemberHandler, limits: Mapping[str, float] = _DEFAULT
) -> ServerThread:
    """Made, not started."""
    return ServerThread(listeners, NodeContext(settings), handler, connections=CONNECTIONS, limits=limits)


def listeners(settings: Settings) -> list[Listener]:
    """Those of `nodes.listen`, which always speak TLS. Raises ListenRefused, ListenFailed."""
    return [replace(listener, secure=True) for listener in listening(settings.nodes.listen, unsent=UNSENT)]
