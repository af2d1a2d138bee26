"""Derives one observation for each workload from live objects, pods and events. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from kelvin_provision.cluster.health import Phase, WaitPolicy
from kelvin_provision.cluster.kubernetes.judge.failures import (
    STARTING_REASONS,
    Failure,
    container_statuses,
    controller_failures,
    current_pods,
    is_ready,
    pod_failures,
)
from kelvin_provision.cluster.kubernetes.judge.holds import annotated_hold
from kelvin_provision.cluster.kubernetes.judge.outdated import left_to_do, outdated
from kelvin_provision.cluster.kubernetes.judge.readiness import condition, health, reason_and_message
from kelvin_provision.cluster.kubernetes.render.objects import owner, revision_of
from kelvin_provision.cluster.labels import STOPPED
from kelvin_provision.cluster.plan import describe
from kelvin_provision.observation import Hold, Observation, Observed
from kelvin_provision.spec.workload import Object

SCALABLE = frozenset({"Deployment", "StatefulSet"})
CONTROLLERS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "Job"})
MOST_URGENT_FIRST = (Observed.FAILED, Observed.DEPLOYING, Observed.STARTING, Observed.STOPPING, Observed.RUNNING)


def observations(
    objects: Sequence[Object], pods: Sequence[Object], events: Sequence[Object], time: str, file_holds: Mapping[str, Hold] | None = None
) -> Mapping[str, Observation]:
    """Observe every workload that has our label. `time` is RFC 3339."""
    everything = [*objects, *pods]
    result = {}
    for name in sorted(filter(None, {owner(item) for item in everything})):
        owned = [item for item in objects if owner(item) == name]
        hold = annotated_hold([item for item in everything if owner(item) == name]) or (file_holds or {}).get(name)
        result[name] = replace(observe(owned, [pod for pod in pods if owner(pod) == name], events, time), hold=hold)
    return result


def observe(objects: Sequence[Object], pods: Sequence[Object], events: Sequence[Object], time: str) -> Observation:
    """Observe one workload. If it has nothing that runs, such as a ConfigMap alone, it is running as long as it exists."""
    runners = [item for item in objects if item.get("kind") in CONTROLLERS]
    runners += [pod for pod in pods if not pod["metadata"].get("ownerReferences")]  # pods of a controller are judged with it
    revisions = [number for item in objects or pods if (number := revision_of(item)) is not None]
    states = {_state(item, pods, events) for item in runners}
    state = next((state for state in MOST_URGENT_FIRST if state in states), Observed.STOPPED)
    if not runners:
        state = _state_without_runners(objects, pods)
    warnings: tuple[str, ...] = ()
    if state not in {Observed.RUNNING, Observed.STOPPED}:
        unfinished = filter(None, (left_to_do(item, pods) for item in runners))
        warnings = (*unfinished, *_waiting_containers(pods), *_failed_conditions(runners), *_failures_of_all(runners, pods, events))
    return Observation(state, tuple(dict.fromkeys(warnings)), time, max(revisions, default=None))


def is_alive(pod: Object) -> bool:
    """False for evicted and completed pods, which stay on the cluster."""
    return (pod.get("status") or {}).get("phase") not in {"Succeeded", "Failed"}


def _state_without_runners(objects: Sequence[Object], pods: Sequence[Object]) -> Observed:
    if any(STOPPED in (item["metadata"].get("annotations") or {}) for item in objects):
        return _stopped(pods)
    return Observed.RUNNING if objects else Observed.STOPPING


def _stopped(pods: Sequence[Object]) -> Observed:
    return Observed.STOPPING if any(is_alive(pod) for pod in pods) else Observed.STOPPED


def _state(item: Object, pods: Sequence[Object], events: Sequence[Object]) -> Observed:
    if item["metadata"].get("deletionTimestamp"):
        return Observed.STOPPING
    if item.get("kind") in SCALABLE and (item.get("spec") or {}).get("replicas", 1) == 0:
        return _stopped(pods)
    phase = health(item).phase
    if phase is Phase.READY:
        return Observed.DEPLOYING if outdated(item) else Observed.RUNNING
    if phase is Phase.FAILED or any(failure.final for failure in _failures(item, pods, events)):
        return Observed.FAILED
    return Observed.STARTING if current_pods(pods, item) else Observed.DEPLOYING


def _failures(item: Object, pods: Sequence[Object], events: Sequence[Object]) -> list[Failure]:
    item_pods = [item] if item.get("kind") == "Pod" else current_pods(pods, item)
    return [*controller_failures(item, events), *pod_failures(item_pods, events, WaitPolicy())]


def _failures_of_all(runners: Sequence[Object], pods: Sequence[Object], events: Sequence[Object]) -> list[str]:
    whys = [failure.why for item in runners for failure in _failures(item, pods, events)]
    own = [health(item) for item in runners if item.get("kind") == "Pod"]
    return whys + [each.why for each in own if each.phase is Phase.FAILED]


def _waiting_containers(pods: Sequence[Object]) -> list[str]:
    """Messages of waiting containers, also where they are no failure."""
    messages = []
    for pod in pods:
        for status in container_statuses(pod) if not is_ready(pod) else ():
            waiting = (status.get("state") or {}).get("waiting")
            if waiting and waiting.get("reason") not in STARTING_REASONS and waiting.get("message"):
                messages.append(f"pod {pod['metadata']['name']}: {reason_and_message(waiting)}")
    return messages


def _failed_conditions(runners: Sequence[Object]) -> list[str]:
    return [
        f"{describe(item)}: {reason_and_message(condition(item, kind))}"
        for item in runners
        for kind, bad in (("Progressing", "False"), ("Failed", "True"))
        if condition(item, kind).get("status") == bad
    ]
