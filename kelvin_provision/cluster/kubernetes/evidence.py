"""What a person would look up first when a workload does not come up, in short lines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from kelvin_provision.cluster.kubernetes.api.errors import Rejected
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.inventory import selector
from kelvin_provision.cluster.kubernetes.judge.failures import ending, ready, statuses
from kelvin_provision.cluster.kubernetes.judge.readiness import condition, words
from kelvin_provision.errors import ProvisionError
from kelvin_provision.spec.workload import Object

PODS = 3
EVENTS = 8
LINES = 20
WIDTH = 300
HARMLESS = frozenset({"FailedPreStopHook"})
"""The pause before SIGTERM where the image has no `sleep`: said in the plan, and never why something did not come up."""


def evidence(api: Api, namespace: str, workload: str) -> tuple[str, ...]:
    """Events, container states and log lines of the pods that are not ready; of all when every one is. Never raises."""
    found: list[str] = []
    with suppress(ProvisionError, Rejected):
        pods = api.list_objects("v1", "Pod", namespace, selector(workload))
        events = api.list_objects("v1", "Event", namespace, fields="type=Warning")
        found += (f"{item['kind']}/{item['metadata']['name']}: {text}" for item, text in _refusals(api, namespace, workload))
        troubled = [pod for pod in pods if not ready(pod)] or pods
        troubled.sort(key=lambda pod: str(pod["metadata"].get("creationTimestamp")), reverse=True)
        for pod in troubled[:PODS]:
            found += about(pod, events)
            for status in statuses(pod):
                found += _logs(api, namespace, pod, status)
    return tuple(line if len(line) <= WIDTH else f"{line[:WIDTH]}..." for line in found)


def about(pod: Object, events: list[Object]) -> Iterator[str]:
    """States and events of one pod."""
    name = pod["metadata"]["name"]
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        yield f"pod {name}: {words(scheduled)}"
    for status in statuses(pod):
        state = status.get("state") or {}
        if "waiting" in state:
            yield f"pod {name}, container {status['name']}: waiting: {words(state['waiting'])}"
        if "terminated" in state or "terminated" in (status.get("lastState") or {}):
            yield f"pod {name}, container {status['name']}: ended with {ending(status)}, {status.get('restartCount', 0)} restarts"
    told = [event for event in events if event.get("reason") not in HARMLESS]
    mine = [event for event in told if (event.get("involvedObject") or {}).get("uid") == pod["metadata"].get("uid")]
    for event in sorted(mine, key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime")))[-EVENTS:]:
        yield f"event of pod {name}: {words(event)} ({event.get('count') or 1} times)"


def _refusals(api: Api, namespace: str, workload: str) -> Iterator[tuple[Object, str]]:
    for item in api.list_objects("apps/v1", "Deployment", namespace, selector(workload)):
        for kind, bad in (("ReplicaFailure", "True"), ("Progressing", "False")):
            found = condition(item, kind)
            if found.get("status") == bad:
                yield item, words(found)


def _logs(api: Api, namespace: str, pod: Object, status: object) -> list[str]:
    """The last lines of the run before, when there was one, and of this one."""
    if not isinstance(status, dict):
        return []
    found: list[str] = []
    name, container = pod["metadata"]["name"], status["name"]
    for previous in (True, False):
        if previous and not status.get("restartCount"):
            continue
        with suppress(ProvisionError, Rejected):
            lines = api.log(namespace, name, container, lines=LINES, previous=previous)
            when = "before its restart" if previous else "now"
            found += [f"log of {container} {when}: {line}" for line in lines if line.strip()]
    return found
