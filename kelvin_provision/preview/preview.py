"""Looking what an apply would do: nothing is put back, recovered or locked, and all that forbids it is found at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from kelvin_provision.applying import apply
from kelvin_provision.applying.forecast import Forecast, Target
from kelvin_provision.cluster.plan import Drift, Finding
from kelvin_provision.cluster.protocol import Cluster, Lookup
from kelvin_provision.errors import ProvisionError
from kelvin_provision.runtimes.protocol import Runtime
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.workload import Object
from kelvin_provision.staging import stage
from kelvin_provision.store import Store


def foresee(targets: Sequence[Target], *, cluster: Cluster, runtime: Callable[[], Runtime], store: Store, lookup: Lookup) -> Forecast:
    """Reads and dry runs only. Raises what cluster and runtime raise when they do not answer; findings are part of the answer."""
    findings: list[Finding] = []
    absent: dict[str, tuple[ImageLock, ...]] = {}
    for target in targets:
        name, locks = target.workload.name, target.revision.locks
        try:
            absent[name], lost = stage.absent(locks, store, runtime()) if locks else ((), ())
        except ProvisionError as error:
            findings.append(Finding(error.code, name, "images", str(error)))
            continue
        findings += [apply.lost(name, lock) for lock in lost]
    plan = cluster.plan({target.workload.name: target.objects for target in targets}, lookup)
    # What is put back first is missing only for now; what is lost was said above.
    known = {name for name, locks in absent.items() if locks} | {finding.workload for finding in findings}
    findings += [finding for finding in plan.findings if not (finding.code == "image-missing" and finding.workload in known)]
    return Forecast(tuple(targets), replace(plan, findings=tuple(findings)), _drift(targets, cluster), absent)


def _drift(targets: Sequence[Target], cluster: Cluster) -> tuple[Drift, ...]:
    """Against what runs. What a stopped workload lacks was taken away by its stop."""
    applied: dict[str, tuple[Object, ...]] = {}
    stopped = set()
    for target in targets:
        running = target.workload.running
        if running and running.objects:
            applied[target.workload.name] = running.objects
        if not target.workload.enabled:
            stopped.add(target.workload.name)
    found = cluster.drift(applied) if applied else ()
    return tuple(one for one in found if one.path or one.workload not in stopped)
