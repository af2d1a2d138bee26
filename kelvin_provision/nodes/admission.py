"""How a node is admitted, and how it renews its key, as documents (see `protocol`). Pure."""

from __future__ import annotations

from typing import Any

from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.nodes.checked import NAME, VERSION, WRONG, address_of, invalid, matching, node_name, parsed, pem, text
from kelvin_provision.refs import Platform


@dataclass(frozen=True)
class JoinRequest:
    """`token` is the secret, `request` a certificate signing request (PEM) for a key that the node made."""

    token: str
    name: str
    request: str
    platform: Platform
    cluster_node: str
    version: str
    address: str = ""

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "platform": str(self.platform)}

    @classmethod
    def from_json(cls, data: bytes) -> JoinRequest:
        """Raises NodeProtocolInvalid."""
        document = parsed(data, "join")
        try:
            return cls(
                token=text(document["token"]),
                name=matching(NAME, document["name"]),
                request=pem(document["request"], 4096),
                platform=Platform.parse(text(document["platform"])),
                cluster_node=node_name(document["cluster_node"]),
                version=matching(VERSION, document["version"]),
                address=address_of(document["address"]),
            )
        except WRONG as error:
            invalid("join", error)


@dataclass(frozen=True)
class RenewRequest:
    """A certificate signing request (PEM) for the member's next key. Its old key is accepted until it has used the new one."""

    request: str

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))

    @classmethod
    def from_json(cls, data: bytes) -> RenewRequest:
        """Raises NodeProtocolInvalid."""
        document = parsed(data, "renew")
        try:
            return cls(pem(document["request"], 4096))
        except WRONG as error:
            invalid("renew", error)


@dataclass(frozen=True)
class Admission:
    """`certificate` is for the key that was asked for, `authority` what leader and peers are verified with, both PEM."""

    name: str
    certificate: str
    authority: str

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))

    @classmethod
    def from_json(cls, data: bytes) -> Admission:
        """Raises NodeProtocolInvalid."""
        document = parsed(data, "admission")
        try:
            return cls(matching(NAME, document["name"]), pem(document["certificate"], 8192), pem(document["authority"], 8192))
        except WRONG as error:
            invalid("admission", error)
