"""What a member needs of the others, independent of how they are reached."""

from __future__ import annotations

from typing import Protocol

from kelvin_provision.nodes.protocol import Report, Wanted
from kelvin_provision.registry.protocol import Blobs


class Leader(Protocol):
    """The node with the ledger. Its verbs raise LeaderUnreachable, NodeForeign (it knows this node no more), NodeProtocolInvalid."""

    def wanted_after(self, version: str, wait: float) -> Wanted | None:
        """What this member shall have; None if that is still this version after so many seconds. An empty version is none."""
        ...

    def report(self, report: Report) -> None:
        """Say how far it is: after each change, and else once in `REPORT` seconds, so that it counts as there."""
        ...

    def close(self) -> None: ...


class Links(Protocol):
    """The leader, and those who have the blobs."""

    @property
    def leader(self) -> Leader: ...

    def blobs(self, document: Wanted) -> Blobs:
        """A source whose `blob` asks the site's mirror, peers and leader in their order, for the images of this document.

        One that fails is asked last for a while. Its `resolve` and `signatures` are of the leader's store: by digest only.
        """
        ...


REPORT = 30.0
"""Seconds between two reports of a member that has nothing new to say; after three that are missing it is away."""
