"""The state of a workload, derived and never stored: one pure function of slots, download, operation and observation."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self


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
class Observation:
    """One look at one workload on the cluster. `warnings` are container-waiting messages and failed conditions;
    `seen` is RFC 3339 UTC; `reachable` is False when the cluster did not answer at the last try (the rest is older).
    """

    observed: Observed
    warnings: tuple[str, ...] = ()
    seen: str = ""
    revision: int | None = None
    reachable: bool = True

    def to_json(self) -> dict[str, Any]:
        """A JSON document."""
        return {
            "observed": self.observed.value,
            "warnings": list(self.warnings),
            "seen": self.seen,
            "revision": self.revision,
            "reachable": self.reachable,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(**document | {"observed": Observed(document["observed"]), "warnings": tuple(document["warnings"])})
