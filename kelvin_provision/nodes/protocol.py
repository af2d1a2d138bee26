"""What leader and member say to each other, as documents. Pure; everything that is read is hostile until it was checked here.

```
GET  /nodes/v1/authority    no certificate  the authority of this leader, PEM: the token says what its hash must be
POST /nodes/v1/join         no certificate  JoinRequest -> Admission
GET  /nodes/v1/wanted       member          Wanted; ETag, If-None-Match, and Prefer: wait=SECONDS to be told of the next change
POST /nodes/v1/report       member          Report -> 204
POST /nodes/v1/renew        member          RenewRequest -> Admission
GET  /v2/REPOSITORY/blobs/DIGEST, /v2/REPOSITORY/manifests/DIGEST     members, of the leader and of each other; with ranges
```
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from kelvin_provision.errors import NodeProtocolInvalid, ReferenceInvalid
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.hashing import sha256_hex
from kelvin_provision.ledger.nodes.model import NodeImageState
from kelvin_provision.refs import Platform
from kelvin_provision.spec.lock import ImageLock

PREFIX = "/nodes/v1"
LARGEST = {"join": 16 << 10, "renew": 16 << 10, "report": 1 << 20, "wanted": 8 << 20, "admission": 32 << 10}
"""Bytes of each document: who sends more is refused before it is read."""
MOST_IMAGES, MOST_PROBLEMS, LONGEST_TEXT = 4096, 32, 500
LEADER = ""
"""Stands for the leader among the sources of an image."""
_NAME = re.compile(r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?")
_VERSION = re.compile(r"[0-9A-Za-z.+-]{1,64}")
_ADDRESS = re.compile(r"(?:\[[0-9a-f:.]{2,45}\]|[0-9.]{7,15}|[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?):[0-9]{1,5}")
_KEY = re.compile(r"[0-9a-f]{64}")


def is_name(text: str) -> bool:
    """Whether a node can have this name: that of a node of Kubernetes (RFC 1123)."""
    return _NAME.fullmatch(text) is not None


@dataclass(frozen=True)
class Peer:
    """Another member that serves blobs. `key` is the SHA-256 of its public key, and has to be the one that it shows."""

    name: str
    address: str
    key: str


@dataclass(frozen=True)
class WantedImage:
    """An image that the member shall have, in the variant for its platform.

    `local_names` are the names that the runtime shall know it by besides. `pinned`: it runs or is staged, and the runtime's own garbage
    collection must not take it. `sources` are names of peers in the order in which they are to be asked; LEADER is the last of them.
    """

    lock: ImageLock
    local_names: tuple[str, ...] = ()
    pinned: bool = True
    sources: tuple[str, ...] = (LEADER,)


@dataclass(frozen=True)
class Wanted:
    """What a member shall have: all of it, and nothing else. `version` changes with every change of it, and is its ETag.

    `rate`: bytes a second that the member may send to its peers; None without a limit. `site`: a mirror of the site, which is asked before
    anything else; empty without one. `draining`: nothing new is to be fetched. `term` counts how often the lead has moved: a member that
    has heard of a later leader follows no earlier one. `keep`: its leader cannot read all of its ledger, so that there may
    be more which the member shall have, and it removes nothing.
    """

    version: str
    images: tuple[WantedImage, ...]
    peers: tuple[Peer, ...] = ()
    rate: int | None = None
    site: str = ""
    draining: bool = False
    term: int = 1
    keep: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "version": self.version,
            "images": [_image_document(image) for image in self.images],
            "peers": [dict(vars(peer)) for peer in self.peers],
            "rate": self.rate,
            "site": self.site,
            "draining": self.draining,
            "term": self.term,
            "keep": self.keep,
        }

    @classmethod
    def from_json(cls, data: bytes) -> Wanted:
        """Raises NodeProtocolInvalid."""
        document = _object(data, "wanted")
        try:
            images = tuple(map(_image, _list(document["images"], MOST_IMAGES)))
            peers = tuple(_peer(peer) for peer in _list(document["peers"], MOST_IMAGES))
            rate = None if document["rate"] is None else _number(document["rate"])
            site, draining, term = _text(document["site"]), _flag(document["draining"]), _number(document["term"])
            keep = _flag(document.get("keep", False))
            return cls(_text(document["version"]), images, peers, rate, site, draining, term, keep)
        except _WRONG as error:
            _invalid("wanted", error)

    @property
    def names(self) -> frozenset[str]:
        """`ImageLock.name` of each image."""
        return frozenset(image.lock.name for image in self.images)


def version_of(images: Sequence[WantedImage], *others: object) -> str:
    """The ETag of what a member shall have."""
    document = [[_image_document(image) for image in images], [repr(other) for other in others]]
    return sha256_hex(json.dumps(document, sort_keys=True).encode())[:32]


@dataclass(frozen=True)
class ImageReport:
    """How far an image is on the member. `image` is `ImageLock.name`; `why` is empty unless it failed or waits."""

    image: str
    state: NodeImageState
    why: str = ""
    bytes: int = 0


@dataclass(frozen=True)
class Report:
    """What a member says of itself. `wanted_version` is the one that the images are about; empty before it had any.

    `address`: where it serves blobs, `HOST:PORT`, or `:PORT` for the address that the leader sees; empty where it serves none.
    `free`: bytes of the filesystem of its store. `cluster_node` is as when it joined; a leader takes no other.
    """

    wanted_version: str
    images: tuple[ImageReport, ...]
    platform: Platform
    cluster_node: str
    version: str
    address: str = ""
    free: int | None = None
    problems: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "wanted_version": self.wanted_version,
            "images": [{**vars(image), "why": _line(image.why)} for image in self.images],
            "platform": str(self.platform),
            "cluster_node": self.cluster_node,
            "version": self.version,
            "address": self.address,
            "free": self.free,
            "problems": [_line(problem) for problem in self.problems[:MOST_PROBLEMS]],
        }

    @classmethod
    def from_json(cls, data: bytes) -> Report:
        """Raises NodeProtocolInvalid."""
        document = _object(data, "report")
        try:
            return cls(
                wanted_version=_text(document["wanted_version"]),
                images=tuple(map(_image_report, _list(document["images"], MOST_IMAGES))),
                platform=Platform.parse(_text(document["platform"])),
                cluster_node=_node_name(document["cluster_node"]),
                version=_matching(_VERSION, document["version"]),
                address=_address(document["address"]),
                free=None if document["free"] is None else _number(document["free"]),
                problems=tuple(_text(problem) for problem in _list(document["problems"], MOST_PROBLEMS)),
            )
        except _WRONG as error:
            _invalid("report", error)


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
        document = _object(data, "join")
        try:
            return cls(
                token=_text(document["token"]),
                name=_matching(_NAME, document["name"]),
                request=_pem(document["request"], 4096),
                platform=Platform.parse(_text(document["platform"])),
                cluster_node=_node_name(document["cluster_node"]),
                version=_matching(_VERSION, document["version"]),
                address=_address(document["address"]),
            )
        except _WRONG as error:
            _invalid("join", error)


@dataclass(frozen=True)
class RenewRequest:
    """A certificate signing request (PEM) for the member's next key. Its old key is accepted until it has used the new one."""

    request: str

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))

    @classmethod
    def from_json(cls, data: bytes) -> RenewRequest:
        """Raises NodeProtocolInvalid."""
        document = _object(data, "renew")
        try:
            return cls(_pem(document["request"], 4096))
        except _WRONG as error:
            _invalid("renew", error)


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
        document = _object(data, "admission")
        try:
            return cls(_matching(_NAME, document["name"]), _pem(document["certificate"], 8192), _pem(document["authority"], 8192))
        except _WRONG as error:
            _invalid("admission", error)


def encoded(document: Mapping[str, Any]) -> bytes:
    """As it is sent."""
    return json.dumps(document, separators=(",", ":")).encode()


_WRONG = (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError, OverflowError, ReferenceInvalid)


def _invalid(kind: str, error: Exception | None) -> NoReturn:
    raise NodeProtocolInvalid(f"the document {kind} is not one of this program") from error


def _object(data: bytes, kind: str) -> dict[str, Any]:
    if len(data) > LARGEST[kind]:
        raise NodeProtocolInvalid(f"the document {kind} has more than {LARGEST[kind]} bytes")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        _invalid(kind, error)
    if type(document) is not dict:
        _invalid(kind, None)
    return document


def _image_document(image: WantedImage) -> dict[str, Any]:
    return {
        "lock": image.lock.to_json(),
        "local_names": list(image.local_names),
        "pinned": image.pinned,
        "sources": list(image.sources),
    }


def _image(document: Any) -> WantedImage:
    names = tuple(_text(name) for name in _list(document["local_names"], 64))
    sources = tuple(_text(name) for name in _list(document["sources"], 64))
    return WantedImage(ImageLock.from_json(document["lock"]), names, _flag(document["pinned"]), sources)


def _image_report(document: Any) -> ImageReport:
    state = NodeImageState(_text(document["state"]))
    return ImageReport(_text(document["image"], 512), state, _text(document["why"]), _number(document["bytes"]))


def _peer(document: Any) -> Peer:
    address = _matching(_ADDRESS, document["address"])
    return Peer(_matching(_NAME, document["name"]), address, _matching(_KEY, document["key"]))


def _text(value: Any, longest: int = LONGEST_TEXT) -> str:
    """One line, and nothing that would control a terminal."""
    if type(value) is not str or len(value) > longest or not value.isprintable():
        raise ValueError("a text")
    value.encode()  # half a surrogate pair
    return value


def _pem(value: Any, longest: int) -> str:
    """It has lines, and is not shown."""
    if type(value) is not str or len(value) > longest:
        raise ValueError("a certificate")
    _text(value.replace("\n", ""), longest)
    return value


def _line(text: str) -> str:
    """As `_text` accepts it: an error may have several lines, and names that others have made."""
    return "".join(sign if sign.isprintable() else " " for sign in text)[:LONGEST_TEXT]


def _matching(pattern: re.Pattern[str], value: Any) -> str:
    text = _text(value)
    if not pattern.fullmatch(text):
        raise ValueError("a name")
    return text


def _node_name(value: Any) -> str:
    return value if value == "" else _matching(_NAME, value)


def _address(value: Any) -> str:
    text = _text(value)
    if text.startswith(":"):
        return _matching(re.compile(r":[0-9]{1,5}"), text)
    return text if text == "" else _matching(_ADDRESS, text)


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 62:
        raise ValueError("a number")
    return value


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError("a flag")
    return value


def _list(value: Any, most: int) -> list[Any]:
    if type(value) is not list or len(value) > most:
        raise ValueError("a list")
    return value
