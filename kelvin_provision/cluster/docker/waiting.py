"""Waiting until new containers are verified; each takes over its workload's name at that moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kelvin_provision.cluster.docker import probes
from kelvin_provision.cluster.docker.containers import LiveContainer, container_object, find_matching
from kelvin_provision.cluster.docker.judge.verification import Verification
from kelvin_provision.cluster.docker.rollout import Rollout
from kelvin_provision.cluster.health import Health, Phase, WaitPolicy
from kelvin_provision.docker_engine.engine import Engine
from kelvin_provision.errors import ClusterRefused
from kelvin_provision.events import Finished, Progress, Started
from kelvin_provision.spec.workload import Object


class Waiter:
    """`tick`: seconds between two looks."""

    def __init__(self, engine: Engine, rollout: Rollout, tick: float) -> None:
        self._engine = engine
        self._rollout = rollout
        self._tick = tick

    def wait(
        self, desired: Mapping[str, Sequence[Object]], policy: WaitPolicy, progress: Progress, stop: Callable[[], bool]
    ) -> Mapping[str, Health]:
        """See protocol.Cluster.wait. Verified containers are watched until all are."""
        verifications = {name: Verification(container) for name, objects in desired.items() if (container := container_object(objects))}
        health: dict[str, Health] = {}
        for name in verifications:
            progress(Started(name, "verifying"))
        deadline = time.monotonic() + policy.timeout
        while True:
            for name, verification in verifications.items():
                before, health[name] = health.get(name), self._verify(name, verification, policy)
                if health[name].phase is Phase.READY and (before is None or before.phase is not Phase.READY):
                    progress(Finished(name, "running"))
            phases = {result.phase for result in health.values()}
            if Phase.FAILED in phases or phases <= {Phase.READY} or stop() or time.monotonic() >= deadline:
                break
            time.sleep(self._tick)
        for name, result in health.items():
            if result.phase is Phase.FAILED:
                progress(Finished(name, "failed", result.why))
        return health

    def _verify(self, workload: str, verification: Verification, policy: WaitPolicy) -> Health:
        live = self._rollout.containers(workload)
        new = find_matching(live, verification.desired)
        if new is None:
            return Health(Phase.FAILED, "the container was removed")
        health = verification.check(new, self._run_probe, policy)
        if health.phase is Phase.READY:
            self._rollout.take_over_name(live, new)
        return health

    def _run_probe(self, probe: dict[str, Any], container: LiveContainer) -> probes.ProbeResult:
        def execute(command: list[str], timeout: float) -> int | None:
            return probes.poll_exit_code(self._engine.containers.exec_detached(container.id, command), timeout)

        try:
            return probes.run_probe(probe, container.address, execute)
        except ClusterRefused as error:  # it exited meanwhile, or has no such command
            return probes.ProbeResult(success=False, why=str(error))
