"""Puts objects in waves, each when the previous one is up. ADR 0030 explains why the transaction drives them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from kelvin_provision.cluster.health import Health, Phase, WaitPolicy
from kelvin_provision.cluster.protocol import Cluster
from kelvin_provision.events import Event, Finished, Progress
from kelvin_provision.spec.workload import Object

Put = Callable[[str, tuple[Object, ...]], None]
Objects = Mapping[str, Sequence[Object]]


@dataclass(frozen=True)
class Waiting:
    """How to wait between the waves; the timeout of the policy is for all of them together."""

    policy: WaitPolicy
    progress: Progress
    stop: Callable[[], bool]


def put_in_waves(cluster: Cluster, desired: Objects, put: Put, waiting: Waiting) -> tuple[Mapping[str, Health], WaitPolicy]:
    """Put each wave when the previous one is up; the caller waits for the last wave, together with all earlier ones.

    Returns the workloads that did not come up in between, after which nothing more was put, and the policy with the time that is left.
    """
    *earlier, last = cluster.waves(desired)
    present: dict[str, tuple[Object, ...]] = {}
    policy = waiting.policy
    for wave in earlier:
        for workload, objects in wave.items():
            put(workload, tuple(objects))
            present[workload] = (*present.get(workload, ()), *objects)
        began = time.monotonic()
        health = cluster.wait(present, replace(policy, settle=0.0), _failures_only(waiting.progress), waiting.stop, desired)
        policy = replace(policy, timeout=max(0.0, policy.timeout - (time.monotonic() - began)))
        lacking = {workload: state for workload, state in health.items() if state.phase is not Phase.READY}
        if lacking:
            return lacking, policy
    for workload, objects in last.items():
        put(workload, tuple(objects))
    return {}, policy


def _failures_only(progress: Progress) -> Progress:
    """A workload of which one wave is up is not up."""

    def report(event: Event) -> None:
        if not isinstance(event, Finished) or event.outcome == "failed":
            progress(event)

    return report
