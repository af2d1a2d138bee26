"""The plan of an apply: staged revisions rendered, assessed, as steps. Changes nothing on the cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kelvin_provision.applying.assess import assessed, refusal
from kelvin_provision.applying.facts import gather
from kelvin_provision.applying.target import TakenBack, Target, desired_objects
from kelvin_provision.cluster.plan import Plan
from kelvin_provision.cluster.protocol import Scale
from kelvin_provision.context import Context
from kelvin_provision.ledger.model.operations import Step
from kelvin_provision.spec.workload import Object


@dataclass(frozen=True)
class Prepared:
    """What a transaction carries out: its steps, the objects by workload (none: it is taken off the cluster), a plan without findings."""

    steps: tuple[Step, ...]
    objects: dict[str, tuple[Object, ...]]
    plan: Plan
    scales: Mapping[str, Scale] = field(default_factory=dict)


def prepare(ctx: Context, targets: Sequence[Target], taken_back: Sequence[TakenBack] = (), *, hooks: bool) -> Prepared:
    """Restore images that the runtime lost, then assess. Raises PlanRefused with all findings, or their own class if they have only one."""
    plan = assessed(gather(ctx, targets, taken_back, put_back=True, hooks=hooks))
    if plan.findings:
        raise refusal(plan.findings)
    steps = tuple(
        Step(target.name, target.workload.running.number if target.workload.running else None, target.revision.number) for target in targets
    )
    steps += tuple(Step(each.name, each.revision.number, None) for each in taken_back)
    objects = desired_objects(targets, taken_back)
    return Prepared(steps, objects, plan, {target.name: target.scale for target in targets})
