"""What was seen on media that have arrived: kept as facts of the ledger, one for each device, and shown while the device is there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Any

from kelvin_provision.fast_dataclass import checked, dataclass
from kelvin_provision.hints import Hint, command, pasted
from kelvin_provision.ledger.ledger import Ledger

FACT = "arrival "
"""Before the name of the device."""
PLACES = Path("/run/kelvin-provision/media")
"""Where a device is mounted that nothing else has mounted."""
DEVICES = Path("/sys/class/block")
"""Also where /dev is hidden from a service."""
MOST = 16
"""Bundles of one medium that are kept."""


class Seen(StrEnum):
    """What became of a bundle on a medium that has arrived."""

    SHOWN = "shown"
    IMPORTED = "imported"
    KNOWN = "known"
    WAITS = "waits"
    REFUSED = "refused"


@dataclass(frozen=True)
class ArrivedBundle:
    """`path` is on its medium. `signers` are those that this box trusts; `reason` says why it was refused, or waits."""

    name: str
    path: str
    digest: str = ""
    signers: tuple[str, ...] = ()
    seen: str = Seen.SHOWN
    reason: str = ""

    @property
    def signed(self) -> str:
        return f"signed by {', '.join(self.signers)}" if self.signers else "not signed by a key that this box trusts"

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "path": self.path,
            "digest": self.digest or None,
            "signers": list(self.signers),
            "outcome": str(self.seen),
            "reason": self.reason or None,
        }


@dataclass(frozen=True)
class Arrival:
    """`medium` is a device or a folder; `place` the folder where it was looked at. `time` is for people only."""

    medium: str
    place: str
    time: str
    bundles: tuple[ArrivedBundle, ...] = ()

    @property
    def is_device(self) -> bool:
        return self.medium.startswith("/dev/")

    def hint(self, bundle: ArrivedBundle) -> Hint | None:
        """How a person imports it; None where that is done, or was refused, or where no trusted key has signed it and it is not mounted."""
        if bundle.seen != Seen.SHOWN or not bundle.digest:
            return None
        if not Path(self.place).is_relative_to(PLACES):
            return command("bundle import", str(Path(self.place) / bundle.path), sudo=True)
        return command("media arrived", self.medium, "--import", sudo=True) if bundle.signers else None

    def to_json(self) -> dict[str, Any]:
        return {
            "medium": self.medium,
            "place": self.place,
            "time": self.time,
            "bundles": [self._bundle_to_json(bundle) for bundle in self.bundles],
        }

    def _bundle_to_json(self, bundle: ArrivedBundle) -> dict[str, Any]:
        hint = self.hint(bundle)
        return bundle.to_json() | {"solution": pasted(hint) if hint else ""}


def offers(arrivals: Sequence[Arrival]) -> Iterator[str]:
    """For a list: what lies on media and is not here yet, each with the command that imports it."""
    for arrival in arrivals:
        for bundle in arrival.bundles:
            if bundle.seen == Seen.WAITS:
                yield f"{bundle.name} on {arrival.medium} waits: {bundle.reason}"
            elif hint := arrival.hint(bundle):
                yield f"{bundle.name} on {arrival.medium}, {bundle.signed}, can be imported: {pasted(hint)}"


def fact_of(arrival: Arrival) -> dict[str, str]:
    """What the ledger remembers of it; nothing of a folder, which has no end."""
    if not arrival.is_device:
        return {}
    document = arrival.to_json() | {"bundles": [vars_of(bundle) for bundle in arrival.bundles[:MOST]]}
    return {FACT + Path(arrival.medium).name: json.dumps(document)}


def vars_of(bundle: ArrivedBundle) -> dict[str, Any]:
    return {
        "name": bundle.name,
        "path": bundle.path,
        "digest": bundle.digest,
        "signers": list(bundle.signers),
        "seen": str(bundle.seen),
        "reason": bundle.reason,
    }


def present(ledger: Ledger, devices: Path = DEVICES) -> tuple[Arrival, ...]:
    """Those whose device is in the box now, by its name. What cannot be read is left out."""
    return tuple(arrival for arrival in _stored(ledger) if (devices / Path(arrival.medium).name).exists())


def _stored(ledger: Ledger) -> Iterator[Arrival]:
    for _, value in sorted(ledger.facts(FACT).items()):
        with suppress(ValueError, TypeError, KeyError):
            document = json.loads(value)
            bundles = tuple(checked(ArrivedBundle, each | {"signers": tuple(each["signers"])}) for each in document["bundles"])
            yield checked(Arrival, document | {"bundles": bundles})
