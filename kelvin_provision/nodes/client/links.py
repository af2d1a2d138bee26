"""The links of a member: its leader and peers by TLS with its own key, and the site's mirror."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime

from kelvin_provision.nodes.client.joining import renew
from kelvin_provision.nodes.client.leader import RemoteLeader
from kelvin_provision.nodes.client.link import Address, Link
from kelvin_provision.nodes.client.peers import OpenBlob, PeerBlobs
from kelvin_provision.nodes.keys.contexts import client_context
from kelvin_provision.nodes.keys.files import LEADER_HOST, Membership, own_chain
from kelvin_provision.nodes.protocol import LEADER, Wanted
from kelvin_provision.refs import Descriptor, Reference
from kelvin_provision.registry.protocol import Blobs, Stream
from kelvin_provision.registry.repository import Repository
from kelvin_provision.registry.transport import Transport
from kelvin_provision.settings.model import Settings
from kelvin_provision.tls.judging import RENEW
from kelvin_provision.tls.x509 import pem_of_der


class RemoteLinks:
    """See `links.Links`. The leader's verbs are for one thread at a time; blobs for several."""

    def __init__(self, settings: Settings, member: Membership) -> None:
        self._settings, self._member = settings, member
        self._address = Address.parse(member.leader)
        self._lock = threading.Lock()
        self._made: dict[bool, tuple[bytes, ssl.SSLContext]] = {}
        self._leader = RemoteLeader(self._link_to_leader())

    @property
    def leader(self) -> RemoteLeader:
        return self._leader

    def blobs(self, document: Wanted) -> Blobs:
        """See `links.Links`."""
        peers = {peer.name: peer for peer in document.peers}

        def link_of(name: str) -> Link:
            peer = None if name == LEADER else peers.get(name)
            if peer is None:
                return self._link_to_leader()
            return Link(Address.parse(peer.address), self._context(leader=False), key=peer.key, node=f"node {name}")

        return PeerBlobs(document, link_of, _site(self._settings, document.site) if document.site else None)

    def renew_if_due(self, now: datetime) -> bool:
        """Whether this member got another key. Raises what reaching the leader raises, and what making a key does."""
        chain = own_chain(self._settings.state_dir)
        if chain.leaf.days_left(now) >= RENEW:
            return False
        renew(self._settings.state_dir, self._leader, self._member, pem_of_der(chain.certificates[-1].der))
        self._leader.close()
        return True

    def close(self) -> None:
        self._leader.close()

    def _link_to_leader(self) -> Link:
        return Link(self._address, self._context(leader=True), server_name=LEADER_HOST)

    def _context(self, *, leader: bool) -> Callable[[], ssl.SSLContext]:
        def context() -> ssl.SSLContext:
            chain = own_chain(self._settings.state_dir)
            with self._lock:
                made = self._made.get(leader)
                if made is None or made[0] != chain.leaf.der:
                    made = self._made[leader] = chain.leaf.der, client_context(chain, leader=leader)
            return made[1]

        return context


def _site(settings: Settings, mirror: str) -> OpenBlob:
    host, _, path = mirror.partition("/")
    transport = Transport(host, settings)

    def opened(reference: Reference, blob: Descriptor, offset: int) -> AbstractContextManager[Stream]:
        return Repository(transport, f"{path}/{reference.repository}" if path else reference.repository).stream(blob, offset)

    return opened
