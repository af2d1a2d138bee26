"""What a workload does at the moment, from the states of its containers. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from kelvin_provision import timestamps
from kelvin_provision.cluster.docker.containers import COMMITTED, STANDBY, LiveContainer
from kelvin_provision.cluster.docker.judge import image_health
from kelvin_provision.cluster.docker.judge.readiness import exit_reason, start_failure
from kelvin_provision.observation import Observation, Observed

STARTING_SECONDS = 10.0
"""A container that restarted less than this ago counts as starting."""


def observe(containers: Sequence[LiveContainer], now: datetime) -> Observation:
    """Of all containers of one workload. The serving one counts; without one, the newest."""
    main = min(containers, key=lambda container: (not container.serving, -container.revision))
    observed, warnings = _observed(main, now)
    return Observation(observed, warnings, timestamps.rfc3339(now), main.revision)


def _observed(main: LiveContainer, now: datetime) -> tuple[Observed, tuple[str, ...]]:
    state = main.state
    by_status: dict[str, tuple[Observed, tuple[str, ...]]] = {
        "restarting": (Observed.FAILED, (f"restarting: {exit_reason(main)}",)),
        "removing": (Observed.STOPPING, ()),
        "paused": (Observed.STOPPED, ("paused by hand",)),
        "created": (Observed.FAILED, (start_failure(main),)) if state.get("Error") else (Observed.DEPLOYING, ()),
    }
    if state["Status"] == "running":
        return _observed_running(main, now)
    if state["Status"] in by_status:
        return by_status[state["Status"]]
    if main.restart_policy == STANDBY:
        return Observed.DEPLOYING, ()
    # The engine restarts a container of this policy unless it was stopped with `stop`.
    if main.restart_policy == COMMITTED and not state.get("Error") and not state.get("OOMKilled"):
        return Observed.STOPPED, ()
    return Observed.FAILED, (exit_reason(main),)


def _observed_running(main: LiveContainer, now: datetime) -> tuple[Observed, tuple[str, ...]]:
    if not main.serving:
        return Observed.DEPLOYING, ()
    age = abs((now - main.started).total_seconds())  # it may have been started since `now`
    if main.restart_count and age < STARTING_SECONDS:
        return Observed.STARTING, (f"restarted {main.restart_count} times",)
    if not main.has_own_check and image_health.verdict(main) is False:
        return Observed.STARTING, (f"{image_health.NAME}: {image_health.last_words(main)}",)
    return Observed.RUNNING, ()
