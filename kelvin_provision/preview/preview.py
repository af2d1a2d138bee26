"""What an apply would do, without doing it: nothing is put back, recovered or locked, and all findings are reported at once."""

from __future__ import annotations

from collections.abc import Sequence

from kelvin_provision.applying.assess import assessed
from kelvin_provision.applying.facts import gather
from kelvin_provision.applying.target import TakenBack, Target
from kelvin_provision.cluster.plan import Drift
from kelvin_provision.cluster.protocol import Cluster
from kelvin_provision.context import Context
from kelvin_provision.preview.model import Preview
from kelvin_provision.spec.workload import Object


def preview(ctx: Context, targets: Sequence[Target], taken_back: Sequence[TakenBack] = (), *, hooks: bool = True) -> Preview:
    """Reads and dry runs only. Raises what the cluster raises when it does not answer; findings are part of the answer."""
    facts = gather(ctx, targets, taken_back, hooks=hooks)
    absent = {image.workload: image.absent for image in facts.images}
    return Preview(tuple(targets), assessed(facts), _drift(targets, ctx.cluster), absent, tuple(taken_back))


def _drift(targets: Sequence[Target], cluster: Cluster) -> tuple[Drift, ...]:
    """Drift of what runs. A stopped workload lacks objects because it was stopped."""
    applied: dict[str, tuple[Object, ...]] = {}
    stopped = set()
    for target in targets:
        running = target.workload.running
        if running and running.objects:
            applied[target.name] = running.objects
        if not target.workload.enabled:
            stopped.add(target.name)
    drifts = cluster.drift(applied) if applied else ()
    return tuple(drift for drift in drifts if drift.path or drift.workload not in stopped)
