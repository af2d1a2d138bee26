"""Is a container up? A pure question with three answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kelvin_provision.cluster.docker.live import COMMITTED, STANDBY, Live
from kelvin_provision.cluster.protocol import Health, Phase, WaitPolicy
from kelvin_provision.status import Observation, Observed

FRESH = 10.0  # seconds: a restarted container younger than this is still on its way


@dataclass(frozen=True)
class Probed:
    """What the probes have said so far. `ready` is None when there is no readiness probe."""

    ready: bool | None = None
    dead: bool = False
    why: str = ""


def judge(live: Live, probed: Probed, *, up: float, restarts: int, patience: WaitPolicy) -> Health:
    """`up`: for how many seconds this very process has been watched; `restarts`: those since the wait began.

    Without a restart policy an exit is final, so it fails at once.
    """
    if live.state["Status"] == "created":
        return Health(Phase.FAILED, _never_started(live.state))
    if live.state.get("Restarting") or restarts:
        if restarts >= patience.restarts:
            return Health(Phase.FAILED, f"restarted {restarts} times; {ending(live)}")
        if live.state.get("Restarting"):
            return Health(Phase.WAITING, f"restarting: {ending(live)}")
    if not live.running:
        return Health(Phase.FAILED, ending(live))
    if live.state.get("Paused"):
        return Health(Phase.WAITING, "paused")
    return _judge_running(probed, up=up, settle=patience.settle)


def _judge_running(probed: Probed, *, up: float, settle: float) -> Health:
    if probed.dead:
        return Health(Phase.FAILED, f"liveness probe: {probed.why}")
    if probed.ready is False:
        return Health(Phase.WAITING, f"readiness probe: {probed.why or 'not answered yet'}")
    if up < settle:
        return Health(Phase.WAITING, f"up for {up:.0f} of {settle:.0f} s")
    return Health(Phase.READY)


def ending(live: Live) -> str:
    """How its process ended, in words."""
    state = live.state
    code = state.get("ExitCode", 0)
    if state.get("OOMKilled"):
        limit = live.inspect["HostConfig"].get("Memory") or 0
        return f"killed for using more memory than its limit of {limit // 2**20} MiB" if limit else "killed: the box is out of memory"
    if state.get("Error"):
        return f"exit code {code}: {state['Error']}"
    return f"exit code {code}" + (f" (signal {code - 128})" if 128 < code < 160 else "")


def _never_started(state: dict[str, Any]) -> str:
    return str(state.get("Error") or "") or "created but never started"


def observe(containers: list[Live], *, now: datetime, seen: str) -> Observation:
    """One look at all containers of one workload; the one that answers for it counts, else the newest."""
    main = min(containers, key=lambda one: (not one.serving, -one.revision))
    observed, warnings = _observed(main, now)
    return Observation(observed, warnings, seen, main.revision)


def _observed(main: Live, now: datetime) -> tuple[Observed, tuple[str, ...]]:
    state = main.state
    plain: dict[str, tuple[Observed, tuple[str, ...]]] = {
        "restarting": (Observed.FAILED, (f"restarting: {ending(main)}",)),
        "removing": (Observed.STOPPING, ()),
        "paused": (Observed.STOPPED, ("paused by hand",)),
        "created": (Observed.FAILED, (_never_started(state),)) if state.get("Error") else (Observed.DEPLOYING, ()),
    }
    if state["Status"] == "running":
        return _observed_running(main, now)
    if state["Status"] in plain:
        return plain[state["Status"]]
    if main.policy == STANDBY:
        return Observed.DEPLOYING, ()
    # A container that the engine would bring back, and yet is down, was stopped by hand.
    if main.policy == COMMITTED and not state.get("Error") and not state.get("OOMKilled"):
        return Observed.STOPPED, ()
    return Observed.FAILED, (ending(main),)


def _observed_running(main: Live, now: datetime) -> tuple[Observed, tuple[str, ...]]:
    if not main.serving:
        return Observed.DEPLOYING, ()
    restarts = main.inspect.get("RestartCount", 0)
    if restarts and abs((now - main.started).total_seconds()) < FRESH:  # it may have been started since `now`
        return Observed.STARTING, (f"restarted {restarts} times",)
    return Observed.RUNNING, ()


def evidence(live: Live) -> tuple[str, ...]:
    """What the engine itself knows about a container, in one or two short lines."""
    state = live.state
    lines = [
        f"container {live.name}: {state['Status']}, {live.inspect.get('RestartCount', 0)} restarts, image {live.inspect['Image'][:19]}"
    ]
    if not live.running or state.get("Error"):
        lines.append(f"container {live.name}: {_never_started(state) if state['Status'] == 'created' else ending(live)}")
    return tuple(lines)
