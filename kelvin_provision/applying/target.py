"""The target of a change: one workload and the revision that is to run. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from kelvin_provision.ledger.model import Revision, Workload
from kelvin_provision.spec.workload import Object


@dataclass(frozen=True)
class Target:
    """A workload, the revision that is to run, and the objects of that revision."""

    workload: Workload
    revision: Revision
    objects: tuple[Object, ...]

    @property
    def name(self) -> str:
        return self.workload.name
