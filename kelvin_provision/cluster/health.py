"""Whether workloads are up, how long that is waited for, and in which words the rest is reported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """Whether a workload is up: not yet, yes, or never without a change."""

    WAITING = "waiting"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True)
class Health:
    """`why` is in the cluster's words. With READY: what a person has to do so that no pod of the previous version is left."""

    phase: Phase
    why: str = ""


def not_up(health: Mapping[str, Health]) -> dict[str, Health]:
    """What is not up, by workload; those that failed first. The wait ends with a failure, so the others were only not up yet."""
    states = {name: state for name, state in health.items() if state.phase is not Phase.READY}
    return dict(sorted(states.items(), key=lambda item: item[1].phase is not Phase.FAILED))


def causes(states: Mapping[str, Health]) -> str:
    """Of what is not up, for a message."""
    failed = [f"{name}: {state.why}" for name, state in states.items() if state.phase is Phase.FAILED]
    late = {name: state.why or "no reason given" for name, state in states.items() if state.phase is not Phase.FAILED}
    if failed:
        return "; ".join([*failed, *([f"{', '.join(late)}: not up yet then"] if late else [])])
    return "; ".join(f"{name}: not up in time, {why}" for name, why in late.items())


@dataclass(frozen=True)
class WaitPolicy:
    """In seconds. `settle`: how long a workload must stay up without a restart; `unschedulable`: how long a pod may lack a node.

    `volumes`: how long it may lack a volume, which is created, attached and mounted at a second or third try. `restarts`: a container that
    restarts so often has failed.
    """

    timeout: float = 300.0
    settle: float = 5.0
    unschedulable: float = 15.0
    volumes: float = 60.0
    restarts: int = 2
