"""The HEALTHCHECK of an image, which counts as a readiness check where the manifest has none. Pure.

The engine runs it for the first time after a whole interval, which is 30 s where the image says nothing. So that no apply waits for that
long, we run the same command ourselves until the engine has a verdict.
"""

from __future__ import annotations

from typing import Any

from kelvin_provision.cluster.docker.containers import LiveContainer

NANO = 10**9
PERIOD, TIMEOUT, RETRIES = 30, 30, 3
"""The defaults of Docker Engine for what an image leaves out."""

SHELL = ["/bin/sh", "-c"]
MAX_OUTPUT = 200
NAME = "health check of the image"


def probe_of(container: LiveContainer) -> dict[str, Any] | None:
    """The check as one of our probes; None where there is none, or the engine has been told to run none."""
    config = container.document["Config"]
    check = config.get("Healthcheck") or {}
    kind, *command = check.get("Test") or ["NONE"]
    if kind == "CMD-SHELL":
        command = [*(config.get("Shell") or SHELL), *command]
    if kind not in {"CMD", "CMD-SHELL"} or not command:
        return None
    return {
        "kind": "exec",
        "command": command,
        "initial_delay": 0,
        "period": (check.get("Interval") or 0) / NANO or PERIOD,
        "timeout": (check.get("Timeout") or 0) / NANO or TIMEOUT,
        "failure_threshold": check.get("Retries") or RETRIES,
        "success_threshold": 1,
    }


def verdict(container: LiveContainer) -> bool | None:
    """What the engine says: True for healthy, None as long as it does not know."""
    return {"healthy": True, "unhealthy": False}.get(str(_health(container).get("Status")))


def last_words(container: LiveContainer) -> str:
    """How the last run ended, and what it wrote."""
    log = _health(container).get("Log") or [{}]
    output = " ".join(str(log[-1].get("Output") or "").split())[:MAX_OUTPUT]
    return f"exit code {log[-1].get('ExitCode', '?')}" + (f", {output}" if output else "")


def _health(container: LiveContainer) -> dict[str, Any]:
    return container.state.get("Health") or {}
