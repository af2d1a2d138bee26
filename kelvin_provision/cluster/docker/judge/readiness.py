"""Whether a new container is ready, not yet, or never will be; and how a container ended, in words. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from kelvin_provision.cluster.docker.containers import LiveContainer
from kelvin_provision.cluster.docker.judge import image_health
from kelvin_provision.cluster.health import Health, Phase, WaitPolicy


@dataclass(frozen=True)
class ProbeState:
    """`ready` is None without a readiness probe; `dead`: the liveness probe has reached its failure threshold. `of`: which check it is."""

    ready: bool | None = None
    dead: bool = False
    why: str = ""
    of: str = "readiness probe"


def judge(container: LiveContainer, probes: ProbeState, *, uptime: float, restarts: int, policy: WaitPolicy) -> Health:
    """`uptime`: seconds since we first saw the present process; `restarts`: those since the wait began.

    A new container has no restart policy, so when it exits it has failed.
    """
    if container.state["Status"] == "created":
        return Health(Phase.FAILED, start_failure(container))
    if container.restarting or restarts:
        if restarts >= policy.restarts:
            return Health(Phase.FAILED, f"restarted {restarts} times; {exit_reason(container)}")
        if container.restarting:
            return Health(Phase.WAITING, f"restarting: {exit_reason(container)}")
    if not container.running:
        return Health(Phase.FAILED, exit_reason(container))
    if container.state.get("Paused"):
        return Health(Phase.WAITING, "paused")
    return _judge_running(probes, uptime=uptime, settle=policy.settle)


def _judge_running(probes: ProbeState, *, uptime: float, settle: float) -> Health:
    if probes.dead:
        return Health(Phase.FAILED, f"liveness probe: {probes.why}")
    if probes.ready is False:
        return Health(Phase.WAITING, f"{probes.of}: {probes.why or 'no result yet'}")
    if uptime < settle:
        return Health(Phase.WAITING, f"up for {uptime:.0f} of {settle:.0f} s")
    return Health(Phase.READY)


def exit_reason(container: LiveContainer) -> str:
    state = container.state
    code = state.get("ExitCode", 0)
    if state.get("OOMKilled"):
        limit = container.document["HostConfig"].get("Memory") or 0
        return f"killed for using more memory than its limit of {limit // 2**20} MiB" if limit else "killed: the box is out of memory"
    if state.get("Error"):
        return f"exit code {code}: {state['Error']}"
    return f"exit code {code}" + (f" (signal {code - 128})" if 128 < code < 160 else "")


def start_failure(container: LiveContainer) -> str:
    return str(container.state.get("Error") or "") or "created but never started"


def evidence(container: LiveContainer) -> tuple[str, ...]:
    """What the engine knows about a container, in up to three lines."""
    state = container.state
    image = container.document["Image"][:19]
    lines = [f"container {container.name}: {state['Status']}, {container.restart_count} restarts, image {image}"]
    if not container.running or state.get("Error"):
        reason = start_failure(container) if state["Status"] == "created" else exit_reason(container)
        lines.append(f"container {container.name}: {reason}")
    if image_health.verdict(container) is False:
        lines.append(f"container {container.name}: {image_health.NAME}: {image_health.last_words(container)}")
    return tuple(lines)
