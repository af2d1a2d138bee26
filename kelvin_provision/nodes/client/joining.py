"""From a token to a certificate: how a node becomes a member. Repeated after a crash, it goes on where it stopped.

The token names the hash of the leader's authority, so that its secret is told to no one else: the authority is asked for first, without
trusting anyone, and is what the connection that carries the secret is verified with.
"""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from kelvin_provision import __version__
from kelvin_provision.errors import JoinRefused, NodeForeign, NodeRoleWrong, UsageRefused
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.hashing import sha256_hex
from kelvin_provision.hints import command
from kelvin_provision.nodes.admission import Admission, JoinRequest, RenewRequest
from kelvin_provision.nodes.checked import LARGEST, encoded, is_name
from kelvin_provision.nodes.client.leader import RemoteLeader
from kelvin_provision.nodes.client.link import Address, Link
from kelvin_provision.nodes.keys import making
from kelvin_provision.nodes.keys.contexts import client_context, joining_context
from kelvin_provision.nodes.keys.files import (
    JOINING,
    LEADER_HOST,
    MEMBERSHIP,
    NODE,
    Joining,
    Membership,
    folder,
    joining,
    membership,
    own_chain,
    write,
)
from kelvin_provision.nodes.protocol import PREFIX
from kelvin_provision.refs import Platform
from kelvin_provision.tls.files import write_pair

_TOKEN = re.compile(r"kn1\.([0-9a-f]{64})\.([0-9a-f]{64})")


@dataclass(frozen=True)
class Token:
    """`authority` is the SHA-256 of the certificate (PEM) of the leader's authority."""

    authority: str
    secret: str

    @classmethod
    def of(cls, authority: bytes) -> Token:
        return cls(sha256_hex(authority), secrets.token_hex(32))

    @classmethod
    def parse(cls, text: str) -> Token:
        """Raises UsageRefused, which does not repeat it."""
        match = _TOKEN.fullmatch(text.strip())
        if match is None:
            raise UsageRefused("that is not a token of a leader", hint=command("node token", instruction="on the leader, make one"))
        return cls(match[1], match[2])

    @property
    def text(self) -> str:
        return f"kn1.{self.authority}.{self.secret}"

    @property
    def hash(self) -> str:
        """What the leader keeps of it."""
        return sha256_hex(self.secret.encode())


@dataclass(frozen=True)
class Itself:
    """What a node says of itself when it joins."""

    name: str
    platform: Platform
    cluster_node: str
    address: str


def join(state_dir: Path, leader: str, token: Token, itself: Itself) -> Membership:
    """Raises JoinRefused, LeaderUnreachable, NodeForeign, NodeProtocolInvalid, UsageRefused."""
    if not is_name(itself.name):
        raise UsageRefused(f"{itself.name} is not a name for a node", hint="use lower-case letters, digits, '-' and '.'")
    address = Address.parse(leader)
    authority = _authority(address, token)
    asked = _asked(state_dir, leader, token, itself)
    request = JoinRequest(
        token=token.secret,
        name=itself.name,
        request=asked.request,
        platform=itself.platform,
        cluster_node=itself.cluster_node,
        version=__version__,
        address=itself.address,
    )
    link = Link(address, lambda: joining_context(authority), server_name=LEADER_HOST)
    try:
        _, _, data = link.document("POST", f"{PREFIX}/join", body=encoded(request.to_json()), limit=LARGEST["admission"])
    except NodeForeign as error:
        raise JoinRefused(str(error)) from error
    finally:
        link.close()
    admission = Admission.from_json(data)
    place = folder(state_dir)
    _keep(place, asked.key, admission, authority)
    member = Membership(itself.name, f"https://{address}", itself.cluster_node)
    write(place / MEMBERSHIP, member)
    (place / JOINING).unlink(missing_ok=True)
    return member


def follow(state_dir: Path, leader: str) -> Membership:
    """The lead was moved: the same site has another address. Only a leader of the authority that this member was joined to is believed.

    Raises NodeRoleWrong, LeaderUnreachable, NodeForeign, NodeProtocolInvalid, UsageRefused.
    """
    known = membership(state_dir)
    if known is None:
        raise NodeRoleWrong(
            "this node is no member", hint=command("node token", instruction="make a token on the leader, and join with it")
        )
    address, chain = Address.parse(leader), own_chain(state_dir)
    remote = RemoteLeader(Link(address, lambda: client_context(chain, leader=True), server_name=LEADER_HOST))
    try:
        remote.wanted_after("", 0)
    finally:
        remote.close()
    moved = Membership(known.name, f"https://{address}", known.cluster_node)
    write(folder(state_dir) / MEMBERSHIP, moved)
    return moved


def renew(state_dir: Path, leader: RemoteLeader, member: Membership, authority: bytes) -> None:
    """Another key and a certificate for it. An answer that is lost costs nothing: the earlier key still serves."""
    made = making.key_request(member.name)
    admission = leader.renew(RenewRequest(made.request))
    _keep(folder(state_dir), made.key, admission, authority)


def _keep(place: Path, key: str, admission: Admission, authority: bytes) -> None:
    if admission.authority.encode() != authority:
        raise NodeForeign("the leader has another authority than it had before")
    write_pair(place / NODE, key.encode(), admission.certificate.encode(), authority)


def _authority(address: Address, token: Token) -> bytes:
    """Asked of any server there: only the one that the token names is accepted."""
    link = Link(address, lambda: joining_context(None))
    try:
        _, _, data = link.document("GET", f"{PREFIX}/authority", limit=LARGEST["admission"])
    finally:
        link.close()
    if sha256_hex(data) != token.authority:
        raise NodeForeign(f"the server at {address} is not the leader that made the token", hint="compare the address; make another token")
    return data


def _asked(state_dir: Path, leader: str, token: Token, itself: Itself) -> Joining:
    """The request of an attempt that was interrupted, or a new one, written before it is sent."""
    known = joining(state_dir)
    if known and (known.leader, known.token, known.name) == (leader, token.hash, itself.name):
        return known
    made = making.key_request(itself.name)
    asked = Joining(leader, token.hash, itself.name, made.key, made.request)
    write(folder(state_dir) / JOINING, asked)
    return asked
