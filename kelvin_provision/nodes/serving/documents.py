"""The documents of all members, made when they have news and not with each report.

The ledger changes with each report of a member, and all members wait for news. What is kept is read once for each version of the ledger,
for all of them; their documents are made again only when that changed something which they can hear.
"""

from __future__ import annotations

from kelvin_provision.context import Context
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.ledger.nodes.reading import node
from kelvin_provision.nodes.protocol import Wanted
from kelvin_provision.nodes.wanting import Placement, Site, site, wanted_by
from kelvin_provision.serving.messages import Refused


@dataclass(frozen=True)
class Made:
    """What a member shall have, in the state of this number."""

    state: int
    version: object
    """Of the ledger; those of one state differ in their sources."""
    document: Wanted


@dataclass(frozen=True)
class Present:
    """The ledger at one version. `state` counts those in which members have other news."""

    version: object
    state: int
    basis: object
    site: Site


class Documents:
    """For one thread at a time."""

    def __init__(self, ctx: Context, placement: Placement) -> None:
        self._ctx, self._placement = ctx, placement
        self._present: Present | None = None
        self._made: dict[str, Made] = {}

    def state(self) -> int:
        """Another number once members may have news."""
        return self._read().state

    def known(self, name: str) -> Made:
        """Made once for each state; its sources may be older than the last report. Raises Refused for a member that was removed."""
        present = self._read()
        made = self._made.get(name)
        if made is None:
            member = node(self._ctx.ledger, name)
            if member is None:
                raise Refused(403, "this leader knows no member with this key")
            document = wanted_by(self._ctx.ledger, member, present.site, self._ctx.settings.nodes, self._placement)
            made = self._made[name] = Made(present.state, present.version, document)
        return made

    def newest(self, name: str) -> Wanted:
        """To be sent: with the sources of this moment. Raises as `known`."""
        version, made = self._read().version, self._made.get(name)
        if made is not None and made.version != version:
            del self._made[name]
        return self.known(name).document

    def _read(self) -> Present:
        ledger, before = self._ctx.ledger, self._present
        version = ledger.version()
        if before is not None and before.version == version:
            return before
        at = site(ledger)
        basis = at.basis, self._placement.basis(ledger)
        state = 0 if before is None else before.state + (before.basis != basis)
        if before is None or state != before.state:
            self._made = {}  # of members that were removed, too
        self._present = Present(version, state, basis, at)
        return self._present
