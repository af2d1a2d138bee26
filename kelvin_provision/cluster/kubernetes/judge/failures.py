"""Finds what keeps pods from running, in their statuses and events. Pure.

Some failures are final. Others, such as a failed name lookup, may pass; the caller measures how long they last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kelvin_provision.cluster.health import WaitPolicy
from kelvin_provision.cluster.kubernetes.judge.readiness import condition, reason_and_message
from kelvin_provision.cluster.kubernetes.render.objects import template_hash
from kelvin_provision.spec.workload import Object

IMAGE_REASONS = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError", "RegistryUnavailable"}
)
FINAL_IMAGE_REASONS = frozenset({"ErrImageNeverPull", "InvalidImageName"})
FINAL_IMAGE_MESSAGES = (
    "not found", "denied", "unauthorized", "manifest unknown", "forbidden", "no match for platform", "authorization failed",
)  # fmt: skip
CREATE_REASONS = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
PASSING_CREATE_MESSAGES = ("timed out", "deadline exceeded", "failed to sync", "failed to reserve", "is reserved for")
SERVER_BUSY = "could not be completed at this time, please try again"
"""Of an API server that is overloaded: the controller tries again by itself."""
STARTING_REASONS = frozenset({"ContainerCreating", "PodInitializing"})
VOLUME_REASONS = frozenset({"FailedMount", "FailedAttachVolume", "FailedMapVolume"})
EVENT_REASONS = frozenset({*VOLUME_REASONS, "FailedCreate", "FailedCreatePodSandBox"})
UNBOUND = "unbound immediate PersistentVolumeClaims"

REFUSED_BY_KUBELET = frozenset(
    {"AppArmor", "InitContainerRestartPolicyForbidden", "PodOSNotSupported", "PodOSSelectorNodeLabelDoesNotMatch", "SysctlForbidden"}
)
"""With these, no container of the pod is ever started on this node; a controller makes the next pod, which ends in the same way."""

SCHEDULING = " scheduling"
"""The end of the key of a failure to find a node."""


@dataclass(frozen=True)
class Failure:
    """`key` stays the same while the same failure lasts, however its message changes. `volume`: it is a volume that is not there yet."""

    key: str
    why: str
    final: bool
    volume: bool = False


def current_pods(pods: Iterable[Object], item: Object) -> list[Object]:
    """Select pods of the object's template that are not being deleted. Without a hash of the template: pods of any template."""
    template, namespace = template_hash(item), item["metadata"].get("namespace")
    here = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp") and pod["metadata"].get("namespace") == namespace]
    return [pod for pod in here if template is None or template_hash(pod) == template]


def is_ready(pod: Object) -> bool:
    return condition(pod, "Ready").get("status") == "True"


def container_statuses(pod: Object) -> Iterator[Mapping[str, Any]]:
    """Yield the status of every container, init containers first."""
    status = pod.get("status") or {}
    for group in ("initContainerStatuses", "containerStatuses"):
        yield from status.get(group) or ()


def pod_failures(pods: Sequence[Object], events: Sequence[Object], policy: WaitPolicy) -> Iterator[Failure]:
    """Yield failures of pods that are not ready. Events add causes that a status does not have."""
    for pod in pods:
        if is_ready(pod):
            continue
        pod_events = _events_of(pod, events)
        yield from _scheduling_failure(pod)
        yield from _refusal(pod)
        statuses = list(container_statuses(pod))
        for status in statuses:
            yield from _container_failures(pod, status, pod_events, policy)
        # Events outlive what they report: they count only while no container has started.
        if all((status.get("state") or {}).get("waiting", {}).get("reason") in STARTING_REASONS for status in statuses):
            yield from _event_failures(pod, pod_events)


def controller_failures(live: Object, events: Sequence[Object]) -> Iterator[Failure]:
    """Yield failures to create pods (quota, admission). A Deployment reports them in a condition, other controllers only in events."""
    name, kind = live["metadata"]["name"], live.get("kind")
    failure = condition(live, "ReplicaFailure")
    if failure.get("status") == "True" and SERVER_BUSY not in str(failure.get("message")):
        yield Failure(f"{kind}/{name} create", f"{kind}/{name}: {reason_and_message(failure)}", final=False)
    for event in _events_of(live, events):
        if event.get("reason") == "FailedCreate" and SERVER_BUSY not in str(event.get("message")):
            yield Failure(f"{kind}/{name} create", f"{kind}/{name}: {reason_and_message(event)}", final=False)


def exit_count(status: Mapping[str, Any]) -> int:
    """Count exits: the restarts, and an exit that has not led to a restart yet."""
    state, last = status.get("state") or {}, status.get("lastState") or {}
    between_runs = "terminated" in state or ("waiting" in state and "terminated" in last)
    return int(status.get("restartCount", 0)) + int(between_runs)


def last_exit(status: Mapping[str, Any]) -> str:
    """Describe the last exit: `exit code 3 (Error)`, and the termination message."""
    for state in (status.get("state") or {}, status.get("lastState") or {}):
        if "terminated" in state:
            terminated = state["terminated"]
            message = f": {terminated['message'].strip()}" if terminated.get("message") else ""
            return f"exit code {terminated.get('exitCode')} ({terminated.get('reason', 'no reason')}){message}"
    return "no exit code"


def _events_of(live: Object, events: Sequence[Object]) -> list[Object]:
    return [event for event in events if (event.get("involvedObject") or {}).get("uid") == live["metadata"].get("uid")]


def _container_failures(pod: Object, status: Mapping[str, Any], pod_events: Sequence[Object], policy: WaitPolicy) -> Iterator[Failure]:
    name = f"pod {pod['metadata']['name']}"
    key = f"{name} {status.get('name')}"
    waiting = (status.get("state") or {}).get("waiting") or {}
    reason, text = waiting.get("reason", ""), reason_and_message(waiting)
    if reason in IMAGE_REASONS:
        cause = _pull_error(pod_events)
        text = f"{text}: {cause}" if cause and core(cause) not in text else text
        final = reason in FINAL_IMAGE_REASONS or any(message in text.lower() for message in FINAL_IMAGE_MESSAGES)
        yield Failure(f"{key} image", f"{name}: {text}", final=final)
    elif reason in CREATE_REASONS:
        yield Failure(f"{key} create", f"{name}: {text}", final=not any(message in text.lower() for message in PASSING_CREATE_MESSAGES))
    exits = exit_count(status)
    if exits >= policy.restarts and (status.get("state") or {}).get("terminated", {}).get("exitCode") != 0:
        text = f"{name}: container {status.get('name')} exited {exits} times, last with {last_exit(status)}"
        yield Failure(f"{key} restarts", text, final=True)


def core(message: str) -> str:
    """What is behind `Failed to pull image "x": `. Newer kubelets write it into the state of the container, too."""
    return message.partition('": ')[2] or message


def _pull_error(pod_events: Sequence[Object]) -> str:
    """Return the kubelet's error message; ImagePullBackOff itself often has none."""
    messages = [str(event.get("message")) for event in pod_events if event.get("reason") == "Failed"]
    return next((message for message in reversed(messages) if "pull image" in message), "")


def _scheduling_failure(pod: Object) -> Iterator[Failure]:
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        name = f"pod {pod['metadata']['name']}"
        text = reason_and_message(scheduled)
        yield Failure(f"{name}{SCHEDULING}", f"{name}: {text}", final=False, volume=UNBOUND in text)


def _refusal(pod: Object) -> Iterator[Failure]:
    status = pod.get("status") or {}
    if status.get("phase") == "Failed" and status.get("reason") in REFUSED_BY_KUBELET:
        name = f"pod {pod['metadata']['name']}"
        yield Failure(f"{name} refused", f"{name}: {reason_and_message(status)}", final=True)


def _event_failures(pod: Object, pod_events: Sequence[Object]) -> Iterator[Failure]:
    name = f"pod {pod['metadata']['name']}"
    for event in pod_events:
        if (reason := event.get("reason")) in EVENT_REASONS:
            text = reason_and_message(event)
            # A Secret or ConfigMap that is missing does not appear by being waited for.
            volume = reason in VOLUME_REASONS and "not found" not in text
            yield Failure(f"{name} {reason}", f"{name}: {text}", final=False, volume=volume)
