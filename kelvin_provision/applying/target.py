"""The target of a change: one workload and the revision that is to run. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from kelvin_provision.cluster.protocol import Scale
from kelvin_provision.ledger.model.workloads import Revision, Workload
from kelvin_provision.spec.workload import Object


@dataclass(frozen=True)
class TakenBack:
    """A workload that a rollback takes off the cluster, and the version that runs: none ran before it."""

    workload: Workload
    revision: Revision

    @property
    def name(self) -> str:
        return self.workload.name


@dataclass(frozen=True)
class Target:
    """A workload, the revision that is to run, the objects of that revision, and what it was scaled to when it last ran."""

    workload: Workload
    revision: Revision
    objects: tuple[Object, ...]
    scale: Scale = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.workload.name


def desired_objects(targets: Sequence[Target], taken_back: Sequence[TakenBack]) -> dict[str, tuple[Object, ...]]:
    """The objects by workload; none for one that is taken off the cluster."""
    return {target.name: target.objects for target in targets} | {each.name: () for each in taken_back}
