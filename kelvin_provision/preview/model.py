"""What an apply would do, as a value: the plan with its findings, drift, and images that would be imported first. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from kelvin_provision.applying.assess import refusal
from kelvin_provision.applying.target import TakenBack, Target
from kelvin_provision.cluster.plan import Drift, Op, Plan
from kelvin_provision.errors import ProvisionError
from kelvin_provision.spec.lock import ImageLock


@dataclass(frozen=True)
class Preview:
    """`drift` is what others changed on the cluster; `absent` are images that an apply would first import again, by workload.

    `taken_back` are workloads that would go.
    """

    targets: tuple[Target, ...]
    plan: Plan
    drift: tuple[Drift, ...] = ()
    absent: Mapping[str, Sequence[ImageLock]] = field(default_factory=dict)
    taken_back: tuple[TakenBack, ...] = ()

    @property
    def refusal(self) -> ProvisionError | None:
        """What an apply would raise."""
        return refusal(self.plan.findings) if self.plan.findings else None

    @property
    def notes(self) -> Iterator[str]:
        """Warnings besides the changes."""
        for target in self.targets:
            if target.workload.running and not target.workload.enabled:
                yield f"{target.name} is stopped; this starts it"
            for lock in self.absent.get(target.name, ()):
                yield f"{target.name}: {lock.reference} is no longer in the runtime; it is imported from the store first"
        for each in self.taken_back:
            gone = ", ".join(change.object for change in self.plan.changes if change.workload == each.name and change.op is Op.DELETE)
            version = each.revision.spec.app_version
            yield f"{each.name} goes off the cluster ({gone or 'nothing is there'}): version {version} is staged again, its data is kept"
        yield from self.plan.remarks
