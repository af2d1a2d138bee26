"""One workload during a wait: when to ask its probes again and what they have said so far."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kelvin_provision.cluster.docker.live import Live
from kelvin_provision.cluster.docker.probes import Answer
from kelvin_provision.cluster.docker.readiness import Probed, judge
from kelvin_provision.cluster.protocol import Health, WaitPolicy
from kelvin_provision.spec.workload import Object

Ask = Callable[[dict[str, Any], Live], Answer]


@dataclass
class Count:
    """A probe with its answers in a row. `state` is None until a threshold has been reached."""

    probe: dict[str, Any]
    hurry: bool = False
    row: int = 0
    well: bool = False
    state: bool | None = None
    why: str = ""
    due: float = 0.0

    def turn(self, live: Live, ask: Ask, now: float, up: float) -> None:
        """Ask if it is time to; a probe that is to say `ready` is asked every second, so that nobody waits for its period."""
        if up < self.probe["initial_delay"] or now < self.due:
            return
        answer = ask(self.probe, live)
        self.row = self.row + 1 if answer.well is self.well else 1
        self.well, self.why = answer.well, answer.why
        if self.row >= self.probe["success_threshold" if answer.well else "failure_threshold"]:
            self.state = answer.well
        self.due = now + (1.0 if self.hurry and not self.state else self.probe["period"])


@dataclass
class Watch:
    """Remembers, between two looks at a workload, what a look alone does not show.

    Time is what `clock` says, never the box's date: an edge computer may get its date from the network in the middle of a wait.
    """

    container: Object
    restarts: int | None = None
    started: datetime | None = None
    since: float = 0.0
    readiness: Count | None = None
    liveness: Count | None = None
    clock: Callable[[], float] = field(default=time.monotonic)

    def look(self, live: Live, ask: Ask, patience: WaitPolicy) -> Health:
        """One look; probes are asked only while the process runs, and begin anew with every start."""
        total = live.inspect.get("RestartCount", 0)
        self.restarts = total if self.restarts is None else self.restarts
        if live.started != self.started:
            self._begin(live)
        up = self.clock() - self.since
        if live.running and not live.state.get("Restarting"):
            for count in filter(None, (self.readiness, self.liveness)):
                count.turn(live, ask, self.clock(), up)
        return judge(live, self._probed(), up=up, restarts=total - self.restarts, patience=patience)

    def _begin(self, live: Live) -> None:
        spec = self.container["spec"]
        self.started, self.since = live.started, self.clock()
        self.readiness = Count(spec["readiness"], hurry=True) if spec["readiness"] else None
        self.liveness = Count(spec["liveness"]) if spec["liveness"] else None

    def _probed(self) -> Probed:
        ready, live = self.readiness, self.liveness
        if live is not None and live.state is False:
            return Probed(dead=True, why=live.why)
        if ready is None:
            return Probed()
        return Probed(ready=ready.state is True, why=ready.why)
