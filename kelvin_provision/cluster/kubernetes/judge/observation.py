"""One look at everything of ours: live objects and pods to observations. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from kelvin_provision.cluster.kubernetes.judge.failures import Trouble, fresh, ready, refusals, statuses, troubles
from kelvin_provision.cluster.kubernetes.judge.holds import annotated
from kelvin_provision.cluster.kubernetes.judge.readiness import condition, health, words
from kelvin_provision.cluster.kubernetes.render.objects import owner, revision_of, template_hash
from kelvin_provision.cluster.labels import STOPPED
from kelvin_provision.cluster.protocol import Phase, WaitPolicy
from kelvin_provision.spec.workload import Object
from kelvin_provision.status import Hold, Observation, Observed

SCALED = frozenset({"Deployment", "StatefulSet"})
RUNNERS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "Job"})
QUIET = frozenset({"ContainerCreating", "PodInitializing"})


def observations(
    objects: Sequence[Object], pods: Sequence[Object], events: Sequence[Object], seen: str, files: Mapping[str, Hold] | None = None
) -> Mapping[str, Observation]:
    """Every workload of ours by name; what carries no label of ours is not looked at. `seen` is RFC 3339, `files` are holds of files."""
    names = {owner(item) for item in [*objects, *pods]} - {None}
    found = {}
    for name in sorted(filter(None, names)):
        mine = [item for item in objects if owner(item) == name]
        hold = annotated([item for item in [*objects, *pods] if owner(item) == name]) or (files or {}).get(name)
        found[name] = replace(observed(mine, [pod for pod in pods if owner(pod) == name], events, seen), hold=hold)
    return found


def observed(objects: Sequence[Object], pods: Sequence[Object], events: Sequence[Object], seen: str) -> Observation:
    """One workload. Without anything that runs (a configuration alone) being there is running."""
    runners = [item for item in objects if item.get("kind") in RUNNERS]
    # Pods of a controller are judged through it; a pod that stands alone is judged itself.
    runners += [pod for pod in pods if not pod["metadata"].get("ownerReferences")]
    revisions = [number for item in objects or pods if (number := revision_of(item)) is not None]
    state = _together([_state(item, pods, events) for item in runners])
    if not runners:
        state = _without_runners(objects, pods)
    warnings = tuple(dict.fromkeys([*_waiting_words(pods), *_condition_words(runners), *_trouble_words(runners, pods, events)]))
    if state is Observed.RUNNING or state is Observed.STOPPED:
        warnings = ()
    return Observation(state, warnings, seen, max(revisions, default=None))


def _without_runners(objects: Sequence[Object], pods: Sequence[Object]) -> Observed:
    if any(STOPPED in (item["metadata"].get("annotations") or {}) for item in objects):
        return Observed.STOPPING if any(alive(pod) for pod in pods) else Observed.STOPPED
    return Observed.RUNNING if objects else Observed.STOPPING


def alive(pod: Object) -> bool:
    """A pod that was evicted or has ended stays to be looked at, but nothing of it runs."""
    return (pod.get("status") or {}).get("phase") not in {"Succeeded", "Failed"}


def _together(states: Sequence[Observed]) -> Observed:
    """The state that a person must know of first."""
    for state in (Observed.FAILED, Observed.DEPLOYING, Observed.STARTING, Observed.STOPPING, Observed.RUNNING):
        if state in states:
            return state
    return Observed.STOPPED


def _state(item: Object, pods: Sequence[Object], events: Sequence[Object]) -> Observed:
    if item["metadata"].get("deletionTimestamp"):
        return Observed.STOPPING
    if item.get("kind") in SCALED and (item.get("spec") or {}).get("replicas", 1) == 0:
        return Observed.STOPPING if any(alive(pod) for pod in pods) else Observed.STOPPED
    found = health(item)
    if found.phase is Phase.READY:
        return Observed.RUNNING
    if found.phase is Phase.FAILED or any(trouble.final for trouble in _troubles(item, pods, events)):
        return Observed.FAILED
    return Observed.STARTING if fresh(pods, template_hash(item)) else Observed.DEPLOYING


def _troubles(item: Object, pods: Sequence[Object], events: Sequence[Object]) -> list[Trouble]:
    mine = [item] if item.get("kind") == "Pod" else fresh(pods, template_hash(item))
    return [*refusals(item, events), *troubles(mine, events, WaitPolicy())]


def _trouble_words(runners: Sequence[Object], pods: Sequence[Object], events: Sequence[Object]) -> list[str]:
    found = [trouble.why for item in runners for trouble in _troubles(item, pods, events)]
    return found + [said.why for item in runners if (said := health(item)).phase is Phase.FAILED and item.get("kind") == "Pod"]


def _waiting_words(pods: Sequence[Object]) -> list[str]:
    """What containers say they wait for, where nothing else speaks of it."""
    found = []
    for pod in pods:
        for status in statuses(pod) if not ready(pod) else ():
            waiting = (status.get("state") or {}).get("waiting")
            if waiting and waiting.get("reason") not in QUIET and waiting.get("message"):
                found.append(f"pod {pod['metadata']['name']}: {words(waiting)}")
    return found


def _condition_words(runners: Sequence[Object]) -> list[str]:
    found = []
    for item in runners:
        for kind, bad in (("Progressing", "False"), ("Failed", "True")):
            said = condition(item, kind)
            if said.get("status") == bad:
                found.append(f"{item.get('kind')}/{item['metadata']['name']}: {words(said)}")
    return found
