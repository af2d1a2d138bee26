"""Which nodes have all that they need of a version, and whether it is ready. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import NamedTuple

from kelvin_provision.ledger.nodes.model import PlaceRow
from kelvin_provision.refs import Platform
from kelvin_provision.wait_reason import WaitKind, WaitReason

NOWHERE = "nowhere: no node that has joined may run it"


class NodeView(NamedTuple):
    """A node that is brought images. `images` are those that it has; `failed` says of others why it has not. `away`: since when.

    `platform`: None where it does not matter.
    """

    name: str
    images: frozenset[str] = frozenset()
    failed: Mapping[str, str] = {}
    away: str | None = None
    draining: bool = False
    platform: Platform | None = None

    def cannot_run(self, needed: Collection[str], platforms: Mapping[str, Collection[Platform]]) -> bool:
        """Whether there is no variant for it of one of these images that it lacks."""
        if self.platform is None:
            return False
        there = [platforms[image] for image in needed if image in platforms and image not in self.images]
        return not all(any(self.platform.accepts(each) for each in known) for known in there)

    def lacks(self, needed: Collection[str], platforms: Mapping[str, Collection[Platform]] = MappingProxyType({})) -> str:
        """What keeps it from having these images; empty where it has them. Says nothing that changes while it stays the same."""
        missing = [image for image in needed if image not in self.images]
        if not missing:
            return ""
        if self.cannot_run(missing, platforms):
            return f"{self.name}: no image for {self.platform}"
        if self.away:
            return f"{self.name} away since {self.away}"
        why = next((self.failed[image] for image in missing if image in self.failed), "")
        return f"{self.name}: {why}" if why else f"{self.name} is downloading"


class Standing(NamedTuple):
    """How many of the nodes that need a version have it, what keeps the others, and whether that is enough."""

    here: int
    total: int
    missing: tuple[str, ...]
    ready: bool

    @property
    def reason(self) -> WaitReason | None:
        """None where nothing is missing."""
        if self.here == self.total and self.ready:
            return None
        if not self.total:
            return WaitReason(WaitKind.NODES, NOWHERE)
        return WaitReason(WaitKind.NODES, ", ".join(filter(None, (f"{self.here}/{self.total}", "; ".join(self.missing)))))


def judge(
    places: Collection[PlaceRow],
    views: Mapping[str, NodeView],
    policy: str | int,
    platforms: Mapping[str, Collection[Platform]] = MappingProxyType({}),
) -> Standing:
    """`views` by the name in the cluster; `policy` as in the setting `staging.nodes`; `platforms` are those of each image.

    A drained node is not waited for, and none for whose platform there is no image: it is named, and waiting would be in vain.
    """
    needed: dict[str, set[str]] = {}
    for place in places:
        if place.node in views and not views[place.node].draining:
            needed.setdefault(place.node, set()).add(place.image)
    lacking = {node: text for node, images in sorted(needed.items()) if (text := views[node].lacks(sorted(images), platforms))}
    never = {node for node in lacking if views[node].cannot_run(needed[node], platforms)}
    here, total = len(needed) - len(lacking), len(needed)
    waited = [node for node in lacking if node not in never and not (policy == "available" and views[node].away)]
    ready = here >= min(policy, total - len(never)) if isinstance(policy, int) else not waited
    return Standing(here, total, tuple(lacking.values()), ready and here > 0)
