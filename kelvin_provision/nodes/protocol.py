"""What leader and member say to each other, as documents: the routes, and what a member shall have and says. `admission` has
the rest; `checked` reads each value. Pure.

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
from collections.abc import Sequence
from typing import Any

from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.hashing import sha256_hex
from kelvin_provision.ledger.nodes.model import NodeImageState
from kelvin_provision.nodes.checked import (
    ADDRESS,
    KEY,
    NAME,
    VERSION,
    WRONG,
    address_of,
    flag,
    invalid,
    items,
    line,
    matching,
    node_name,
    number,
    parsed,
    text,
)
from kelvin_provision.refs import Platform
from kelvin_provision.spec.lock import ImageLock

PREFIX = "/nodes/v1"
MOST_IMAGES, MOST_PROBLEMS = 4096, 32
LEADER = ""
"""Stands for the leader among the sources of an image."""


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
        document = parsed(data, "wanted")
        try:
            images = tuple(map(_image, items(document["images"], MOST_IMAGES)))
            peers = tuple(_peer(peer) for peer in items(document["peers"], MOST_IMAGES))
            rate = None if document["rate"] is None else number(document["rate"])
            site, draining, term = text(document["site"]), flag(document["draining"]), number(document["term"])
            keep = flag(document.get("keep", False))
            return cls(text(document["version"]), images, peers, rate, site, draining, term, keep)
        except WRONG as error:
            invalid("wanted", error)

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
            "images": [{**vars(image), "why": line(image.why)} for image in self.images],
            "platform": str(self.platform),
            "cluster_node": self.cluster_node,
            "version": self.version,
            "address": self.address,
            "free": self.free,
            "problems": [line(problem) for problem in self.problems[:MOST_PROBLEMS]],
        }

    @classmethod
    def from_json(cls, data: bytes) -> Report:
        """Raises NodeProtocolInvalid."""
        document = parsed(data, "report")
        try:
            return cls(
                wanted_version=text(document["wanted_version"]),
                images=tuple(map(_image_report, items(document["images"], MOST_IMAGES))),
                platform=Platform.parse(text(document["platform"])),
                cluster_node=node_name(document["cluster_node"]),
                version=matching(VERSION, document["version"]),
                address=address_of(document["address"]),
                free=None if document["free"] is None else number(document["free"]),
                problems=tuple(text(problem) for problem in items(document["problems"], MOST_PROBLEMS)),
            )
        except WRONG as error:
            invalid("report", error)


def _image_document(image: WantedImage) -> dict[str, Any]:
    return {
        "lock": image.lock.to_json(),
        "local_names": list(image.local_names),
        "pinned": image.pinned,
        "sources": list(image.sources),
    }


def _image(document: Any) -> WantedImage:
    names = tuple(text(name) for name in items(document["local_names"], 64))
    sources = tuple(text(name) for name in items(document["sources"], 64))
    return WantedImage(ImageLock.from_json(document["lock"]), names, flag(document["pinned"]), sources)


def _image_report(document: Any) -> ImageReport:
    state = NodeImageState(text(document["state"]))
    return ImageReport(text(document["image"], 512), state, text(document["why"]), number(document["bytes"]))


def _peer(document: Any) -> Peer:
    address = matching(ADDRESS, document["address"])
    return Peer(matching(NAME, document["name"]), address, matching(KEY, document["key"]))
