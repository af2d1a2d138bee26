"""What an apply would do, as values: which revision of which workload, the plan, and what else there is to know. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from kelvin_provision.cluster.plan import Drift, Finding, Plan
from kelvin_provision.errors import PlanRefused
from kelvin_provision.ledger.model import Revision, Workload
from kelvin_provision.refusals import kind_for
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.workload import Object


@dataclass(frozen=True)
class Target:
    """A workload, the revision that is to run, and the objects of that revision."""

    workload: Workload
    revision: Revision
    objects: tuple[Object, ...]


@dataclass(frozen=True)
class Forecast:
    """The plan with all its findings, what others have changed meanwhile, and the images that an apply would first put back."""

    targets: tuple[Target, ...]
    plan: Plan
    drift: tuple[Drift, ...] = ()
    absent: Mapping[str, Sequence[ImageLock]] = field(default_factory=dict)

    @property
    def refusal(self) -> PlanRefused | None:
        """What an apply would raise."""
        return refusal(self.plan.findings) if self.plan.findings else None

    @property
    def notes(self) -> Iterator[str]:
        """What a person should know besides what changes."""
        for target in self.targets:
            name = target.workload.name
            if target.workload.running and not target.workload.enabled:
                yield f"{name} is stopped; this starts it"
            for lock in self.absent.get(name, ()):
                yield f"{name}: {lock.reference} is not in the runtime any more; it is put back from the store first"
        yield from self.plan.remarks


def refusal(findings: Sequence[Finding]) -> PlanRefused:
    """All that is found as one error, of the kind of the findings where they are of one."""
    words = "1 finding" if len(findings) == 1 else f"{len(findings)} findings"
    kind = kind_for({finding.code for finding in findings})
    return kind(f"{words}, nothing was touched", evidence=[_words(finding) for finding in findings])


def _words(finding: Finding) -> str:
    return f"{finding.workload}: {finding.object}: {finding.message} [{finding.code}]"
