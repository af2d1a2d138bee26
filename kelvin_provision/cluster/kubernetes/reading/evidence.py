"""Evidence for a workload that does not come up: what `kubectl describe` and `kubectl logs` show, in short lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from kelvin_provision.cluster.kubernetes.api.errors import WARNINGS, Rejected
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.identity import node_conditions
from kelvin_provision.cluster.kubernetes.inventory import namespaces, of_workload
from kelvin_provision.cluster.kubernetes.judge.failures import IMAGE_REASONS, container_statuses, core, is_ready, last_exit
from kelvin_provision.cluster.kubernetes.judge.readiness import condition, reason_and_message
from kelvin_provision.cluster.kubernetes.judge.scheduling import selects, untolerated
from kelvin_provision.cluster.plan import describe
from kelvin_provision.errors import ProvisionError
from kelvin_provision.spec.workload import Object

MAX_PODS = 3
MAX_EVENTS = 8
LOG_LINES = 20
LEAST_CAUSE = 10
"""Characters of a message that can be found in another one without being there by chance."""

HARMLESS_EVENTS = frozenset({"FailedPreStopHook"})
"""The preStop hook fails in images without `sleep`. The plan notes it, and it is never the cause of a failure."""


def evidence(api: Api, namespace: str, workload: str) -> tuple[str, ...]:
    """Describe the newest pods that are not ready, or if all are ready the newest pods. Never raises."""
    lines: list[str] = []
    with suppress(ProvisionError, Rejected):
        places = namespaces(api, namespace, workload)
        pods = of_workload(api, namespace, workload, ("v1", "Pod"), at=places)
        events = [event for place in places for event in api.list_objects("v1", "Event", place, fields=WARNINGS)]
        lines += _failed_conditions(of_workload(api, namespace, workload, ("apps/v1", "Deployment"), at=places))
        lines += _repelling_nodes(api, pods)
        relevant = [pod for pod in pods if not is_ready(pod)] or pods
        relevant.sort(key=lambda pod: str(pod["metadata"].get("creationTimestamp")), reverse=True)
        for pod in relevant[:MAX_PODS]:
            lines += pod_evidence(pod, events)
            for status in container_statuses(pod):
                lines += container_log(api, pod["metadata"].get("namespace") or namespace, pod["metadata"]["name"], status)
    return tuple(lines)


def pod_evidence(pod: Object, events: list[Object]) -> Iterator[str]:
    """Describe conditions, container states and events of one pod."""
    name, uid = pod["metadata"]["name"], pod["metadata"].get("uid")
    if (pod.get("status") or {}).get("reason"):  # evicted, or rejected by the kubelet
        yield f"pod {name}: {reason_and_message(pod['status'])}"
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        yield f"pod {name}: {reason_and_message(scheduled)}"
    for status in container_statuses(pod):
        state = status.get("state") or {}
        if "waiting" in state:
            yield f"pod {name}, container {status['name']}: waiting: {reason_and_message(state['waiting'])}"
        if "terminated" in state or "terminated" in (status.get("lastState") or {}):
            yield f"pod {name}, container {status['name']}: exited with {last_exit(status)}, {status.get('restartCount', 0)} restarts"
    relevant = [event for event in events if event.get("reason") not in HARMLESS_EVENTS]
    pod_events = [event for event in relevant if (event.get("involvedObject") or {}).get("uid") == uid]
    known = [state["waiting"] for status in container_statuses(pod) if "waiting" in (state := status.get("state") or {})]
    new = [event for event in pod_events if not any(_repeats(event, waiting) for waiting in known)]
    for event in sorted(new, key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime")))[-MAX_EVENTS:]:
        yield f"event of pod {name}: {reason_and_message(event)} ({event.get('count') or 1} times)"


def _repeats(event: Object, waiting: Mapping[str, Any]) -> bool:
    """Whether the container's state says all that the event does: its reason, or the message of what failed."""
    message = str(event.get("message") or "")
    stated = reason_and_message(waiting)
    pulling = waiting.get("reason") in IMAGE_REASONS and message.removeprefix("Error: ") in IMAGE_REASONS
    return pulling or (len(core(message)) > LEAST_CAUSE and core(message) in stated)


def _repelling_nodes(api: Api, pods: Sequence[Object]) -> Iterator[str]:
    """Describe the nodes that pods without a node are kept from: the scheduler's message does not always name the taint."""
    waiting = [pod for pod in pods if condition(pod, "PodScheduled").get("status") == "False"]
    for node in api.list_objects("v1", "Node", None) if waiting else ():
        yield from node_evidence(node, waiting)


def node_evidence(node: Object, waiting: Sequence[Object]) -> Iterator[str]:
    """Describe taints that none of these pods tolerates, and unhealthy conditions."""
    name = node["metadata"]["name"]
    selecting = [pod for pod in waiting if selects(node, pod.get("spec") or {})]
    taints = dict.fromkeys(taint for pod in selecting for taint in untolerated(node, pod.get("spec") or {}))
    if taints:
        yield f"node {name}: taint {', '.join(taints)} is not tolerated"
        yield from (f"node {name}: {state.name}: {state.message}" for state in node_conditions(node) if not state.healthy)


def _failed_conditions(deployments: Iterable[Object]) -> Iterator[str]:
    for deployment in deployments:
        for kind, bad in (("ReplicaFailure", "True"), ("Progressing", "False")):
            if condition(deployment, kind).get("status") == bad:
                yield f"{describe(deployment)}: {reason_and_message(condition(deployment, kind))}"


def container_log(api: Api, namespace: str, pod: str, status: Mapping[str, Any]) -> list[str]:
    """Return the last lines of the previous run, if there was one, and of the current run."""
    lines: list[str] = []
    container = status["name"]
    for previous in (True, False) if status.get("restartCount") else (False,):
        with suppress(ProvisionError, Rejected):
            when = "before its restart" if previous else "now"
            log = api.log(namespace, pod, container, lines=LOG_LINES, previous=previous)
            lines += [f"log of {container} {when}: {line}" for line in log if line.strip()]
    return lines
