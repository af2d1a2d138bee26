"""What the cluster was last seen to do with a workload, and the holds on it."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import Any, Self

from kelvin_provision.fast_dataclass import checked, dataclass


class Observed(StrEnum):
    """What the cluster was last seen to do with a workload."""

    ABSENT = "absent"
    DEPLOYING = "deploying"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True)
class Hold:
    """A request that a workload is not changed now. `since` is RFC 3339, empty where it is unknown."""

    reason: str
    by: str
    since: str = ""

    def __str__(self) -> str:
        return f"held by {self.by}{f' since {self.since}' if self.since else ''}: {self.reason or 'no reason given'}"


@dataclass(frozen=True)
class Observation:
    """One look at one workload on the cluster.

    `warnings` are container-waiting messages and failed conditions; `seen` is RFC 3339 UTC; `reachable` is False when the
    cluster did not answer at the last try (the rest is older then); `hold` is what it says of itself there.
    """

    observed: Observed
    warnings: tuple[str, ...] = ()
    seen: str = ""
    revision: int | None = None
    reachable: bool = True
    hold: Hold | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "observed": self.observed.value,
            "warnings": list(self.warnings),
            "seen": self.seen,
            "revision": self.revision,
            "reachable": self.reachable,
        } | ({"hold": asdict(self.hold)} if self.hold else {})

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """The inverse of `to_json`. Raises ValueError, TypeError, KeyError, AttributeError for a document that is damaged."""
        hold = checked(Hold, document["hold"]) if document.get("hold") else None
        return checked(cls, document | {"observed": Observed(document["observed"]), "warnings": tuple(document["warnings"]), "hold": hold})
