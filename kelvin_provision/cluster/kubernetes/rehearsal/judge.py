"""Whether the pod of a rehearsal is up, ended, or never will be. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from kelvin_provision.cluster.health import Health, Phase, WaitPolicy
from kelvin_provision.cluster.kubernetes.judge.failures import SCHEDULING, container_statuses, is_ready, last_exit, pod_failures
from kelvin_provision.cluster.kubernetes.judge.readiness import reason_and_message
from kelvin_provision.cluster.kubernetes.rehearsal.pods import HELD_IMAGE
from kelvin_provision.spec.workload import Object


@dataclass
class PodTrial:
    """What must be remembered of one pod between two looks. `finite`: it is to end, as that of a Job."""

    finite: bool
    policy: WaitPolicy
    ready_since: float | None = None
    unscheduled: bool = False
    """Whether the last failure was that no node takes it: that is about the box at this moment, not about the version."""
    _failing: dict[str, float] = field(default_factory=dict)

    def look(self, pod: Object | None, events: Sequence[Object], now: float) -> Health:
        """A container that ends is not started again, so one that should run has failed then."""
        if pod is None or pod["metadata"].get("deletionTimestamp"):
            return Health(Phase.FAILED, "its pod was deleted by something else")
        if (pod.get("status") or {}).get("phase") == "Succeeded" and self.finite:
            return Health(Phase.READY)
        if why := _ends(pod, finite=self.finite) or _of_phase(pod) or self._failure(pod, events, now):
            return Health(Phase.FAILED, why)
        return Health(Phase.WAITING, "not complete yet") if self.finite else self._settling(pod, now)

    def _settling(self, pod: Object, now: float) -> Health:
        if not is_ready(pod):
            self.ready_since = None
            return Health(Phase.WAITING, _waits_for(pod))
        self.ready_since = now if self.ready_since is None else self.ready_since
        if now - self.ready_since < self.policy.settle:
            return Health(Phase.WAITING, f"up for {now - self.ready_since:.0f} of {self.policy.settle:.0f} s")
        return Health(Phase.READY)

    def _failure(self, pod: Object, events: Sequence[Object], now: float) -> str:
        failures = [failure for failure in pod_failures([pod], events, replace(self.policy, restarts=1)) if HELD_IMAGE not in failure.why]
        self._failing = {failure.key: self._failing.get(failure.key, now) for failure in failures}
        for failure in failures:
            patience = 0.0 if failure.final else self.policy.volumes if failure.volume else self.policy.unschedulable
            if now - self._failing[failure.key] >= patience:
                self.unscheduled = failure.key.endswith(SCHEDULING)
                return failure.why
        return ""


def _ends(pod: Object, *, finite: bool) -> str:
    """How a container ended that should not have: an init container may end well, and so may one of a pod that is to end."""
    init = {status.get("name") for status in (pod.get("status") or {}).get("initContainerStatuses") or ()}
    for status in container_statuses(pod):
        ended = (status.get("state") or {}).get("terminated")
        if ended and (ended.get("exitCode") != 0 or not (finite or status.get("name") in init)):
            single = len((pod.get("spec") or {}).get("containers") or ()) == 1
            return last_exit(status) if single else f"container {status.get('name')}: {last_exit(status)}"
    return ""


def _of_phase(pod: Object) -> str:
    status = pod.get("status") or {}
    if status.get("phase") == "Succeeded":
        return "its containers ended"
    return reason_and_message(status) if status.get("phase") == "Failed" else ""


def _waits_for(pod: Object) -> str:
    for status in container_statuses(pod):
        waiting = (status.get("state") or {}).get("waiting")
        if waiting and HELD_IMAGE not in str(waiting.get("message")):
            return f"container {status.get('name')}: {reason_and_message(waiting)}"
    running = [status for status in container_statuses(pod) if "running" in (status.get("state") or {})]
    return "its readiness probe does not succeed" if running else str((pod.get("status") or {}).get("phase") or "Pending")
