"""Rows of the members as frozen values."""

from __future__ import annotations

from enum import StrEnum

from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.refs import Platform


class NodeImageState(StrEnum):
    """How far an image is on a member, as the member says."""

    WANTED = "wanted"
    DOWNLOADING = "downloading"
    HERE = "here"
    """Complete, verified, in the runtime and pinned."""
    FAILED = "failed"


@dataclass(frozen=True)
class Node:
    """A member. `key` is the SHA-256 of its public key; `next_key` that of a certificate which it has not used yet.

    `cluster_node` is its name in the cluster. `away`: since when it is silent. `free`: bytes; None where they are not known.
    """

    name: str
    key: str
    next_key: str | None
    address: str
    platform: Platform
    cluster_node: str
    version: str
    joined: str
    seen: str
    away: str | None = None
    draining: bool = False
    free: int | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class NodeImage:
    """An image on a member. `image` is `ImageLock.name`, `bytes` how much of it is there, `since` when this state began."""

    node: str
    image: str
    state: NodeImageState
    why: str
    since: str
    bytes: int


@dataclass(frozen=True)
class NodeToken:
    """With what one node joins. `hash` is that of its secret, which is not kept."""

    hash: str
    made: str
    expires: str
    actor: str
    used: str | None = None
    node: str | None = None


@dataclass(frozen=True)
class PlaceRow:
    """A node of the cluster that needs an image (`ImageLock.name`). `mark`: for pods that are kept to nodes with this label."""

    node: str
    image: str
    mark: str = ""
