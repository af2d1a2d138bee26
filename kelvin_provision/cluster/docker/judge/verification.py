"""One workload during a wait: when its probes are due, and their results so far. Pure, but for the clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kelvin_provision.cluster.docker.containers import LiveContainer
from kelvin_provision.cluster.docker.judge import image_health
from kelvin_provision.cluster.docker.judge.readiness import ProbeState, judge
from kelvin_provision.cluster.docker.probes import ProbeResult
from kelvin_provision.cluster.health import Health, WaitPolicy
from kelvin_provision.spec.workload import Object

RunProbe = Callable[[dict[str, Any], LiveContainer], ProbeResult]


@dataclass
class ProbeCounter:
    """A probe and its equal results in a row. `state` is None until a threshold is reached.

    `fast`: run every second until it succeeds, so that a wait does not last for a whole period more.
    """

    probe: dict[str, Any]
    fast: bool = False
    in_row: int = 0
    success: bool = False
    state: bool | None = None
    why: str = ""
    due: float = 0.0

    def run_if_due(self, container: LiveContainer, run_probe: RunProbe, now: float, uptime: float) -> None:
        if uptime < self.probe["initial_delay"] or now < self.due:
            return
        result = run_probe(self.probe, container)
        self.in_row = self.in_row + 1 if result.success is self.success else 1
        self.success, self.why = result.success, result.why
        if self.in_row >= self.probe["success_threshold" if result.success else "failure_threshold"]:
            self.state = result.success
        self.due = now + (1.0 if self.fast and not self.state else self.probe["period"])


@dataclass
class Verification:
    """What must be remembered between two looks at a workload.

    Time is monotonic, never the box's date: an edge computer may get its date from the network in the middle of a wait.
    """

    desired: Object
    initial_restarts: int | None = None
    started: datetime | None = None
    first_seen: float = 0.0
    readiness: ProbeCounter | None = None
    liveness: ProbeCounter | None = None
    image: ProbeCounter | None = None
    clock: Callable[[], float] = field(default=time.monotonic)

    def check(self, container: LiveContainer, run_probe: RunProbe, policy: WaitPolicy) -> Health:
        """Probes run only while the process does, and begin again with every start."""
        if self.initial_restarts is None:
            self.initial_restarts = container.restart_count
        if container.started != self.started:
            self._begin(container)
        uptime = self.clock() - self.first_seen
        if container.running and not container.restarting:
            for counter in filter(None, (self.readiness, self.liveness, self._undecided(container))):
                counter.run_if_due(container, run_probe, self.clock(), uptime)
        restarts = container.restart_count - self.initial_restarts
        return judge(container, self._probe_state(container), uptime=uptime, restarts=restarts, policy=policy)

    def _begin(self, container: LiveContainer) -> None:
        spec = self.desired["spec"]
        self.started, self.first_seen = container.started, self.clock()
        self.readiness = ProbeCounter(spec["readiness"], fast=True) if spec["readiness"] else None
        self.liveness = ProbeCounter(spec["liveness"]) if spec["liveness"] else None
        check = None if spec["readiness"] else image_health.probe_of(container)
        self.image = ProbeCounter(check, fast=True) if check else None

    def _undecided(self, container: LiveContainer) -> ProbeCounter | None:
        """The check of the image, as long as the engine has not said how it went."""
        return self.image if image_health.verdict(container) is None else None

    def _probe_state(self, container: LiveContainer) -> ProbeState:
        readiness, liveness = self.readiness, self.liveness
        if liveness is not None and liveness.state is False:
            return ProbeState(dead=True, why=liveness.why)
        if self.image is not None:
            verdict = image_health.verdict(container)
            why = image_health.last_words(container) if verdict is False else self.image.why
            return ProbeState(ready=self.image.state is True if verdict is None else verdict, why=why, of=image_health.NAME)
        if readiness is None:
            return ProbeState()
        return ProbeState(ready=readiness.state is True, why=readiness.why)
