"""What each member shall have, from the ledger of its leader."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from kelvin_provision.errors import StateDamaged
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.leading import identity
from kelvin_provision.ledger import local_names
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.nodes.model import Node, NodeImageState
from kelvin_provision.ledger.nodes.reading import node_images, nodes
from kelvin_provision.nodes.protocol import Peer, Wanted, WantedImage, version_of
from kelvin_provision.nodes.sources import Candidate, sources_of
from kelvin_provision.settings.model import NodesSettings
from kelvin_provision.spec.lock import ImageLock


class Placement(Protocol):
    """Which images a member shall have of those that are kept, in the variants for its platform: `where.placement` from the ledger."""

    def images(self, ledger: Ledger, node: Node, kept: Sequence[ImageLock]) -> Iterable[ImageLock]: ...

    def basis(self, ledger: Ledger) -> object:
        """While this is the same, and what is kept and who the members are, `images` answers the same."""
        ...


@dataclass(frozen=True)
class Site:
    """What all members have in common at one moment: read once for all who ask."""

    members: tuple[Node, ...]
    complete: Mapping[str, frozenset[str]]
    """Members by the name of an image that they have."""
    local_names: Mapping[str, tuple[str, ...]]
    """By the name of the image that they stand for."""
    kept: tuple[ImageLock, ...]
    """All images that are kept and can be read."""
    term: int = 1
    readable: bool = True
    """Whether all images that are kept can be read in the ledger."""

    @property
    def basis(self) -> tuple[object, ...]:
        """What versions of documents depend on, besides where images are needed. How far each member is does not count."""
        members = [(each.name, each.key, each.address, each.platform, each.cluster_node, each.away, each.draining) for each in self.members]
        return members, self.local_names, self.kept, self.term, self.readable


def site(ledger: Ledger) -> Site:
    complete: dict[str, set[str]] = {}
    for image in node_images(ledger):
        if image.state is NodeImageState.HERE:
            complete.setdefault(image.image, set()).add(image.node)
    names: dict[str, list[str]] = {}
    for local in local_names.local_names(ledger):
        if local.required:
            names.setdefault(local.lock.name, []).append(local.name)
    frozen = {image: frozenset(members) for image, members in complete.items()}
    by_image = {image: tuple(sorted(each)) for image, each in names.items()}
    leads = identity.read(ledger.path.parent)
    kept, readable = _kept(ledger)
    return Site(nodes(ledger), frozen, by_image, kept, leads.term if leads else 1, readable)


def _kept(ledger: Ledger) -> tuple[tuple[ImageLock, ...], bool]:
    try:
        return ledger.kept_locks(), True
    except StateDamaged:
        return ledger.kept_locks(sound_only=True), False


def wanted_by(ledger: Ledger, node: Node, at: Site, settings: NodesSettings, placement: Placement) -> Wanted:
    """What this member shall have. Sources count nothing for the version: a member keeps those of the document that it has.

    Where others have got an image since, it is asked for in the order of then, the leader last.

    All of it is pinned, as on the leader: a version counts as being on a node only when its pods can start there, and so does one that is
    kept for a rollback. Who has an image by its name has it in the variant for another platform, so only those of a fitting one are asked.
    """
    serving = {member.name: member for member in at.members if member.address and member.away is None and member.name != node.name}
    images, plain = list[WantedImage](), list[WantedImage]()
    for lock in placement.images(ledger, node, at.kept):
        have = at.complete.get(lock.name, frozenset())
        line = [
            Candidate(member.name, member.name in have)
            for member in at.members
            if member.name == node.name or (member.name in serving and member.platform.accepts(lock.platform))
        ]
        image = WantedImage(lock, at.local_names.get(lock.name, ()), pinned=True, sources=sources_of(node.name, line))
        images.append(image)
        plain.append(WantedImage(lock, image.local_names, image.pinned))
    peers = tuple(Peer(member.name, member.address, member.key) for member in serving.values())
    version = version_of(plain, peers, settings.rate, settings.source, node.draining, at.term, at.readable)
    return Wanted(version, tuple(images), peers, settings.rate, settings.source or "", node.draining, at.term, not at.readable)
