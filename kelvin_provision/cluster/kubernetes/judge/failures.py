"""What waiting cannot heal, read from pods and events. Pure.

Two kinds: a trouble that is final, and one that only time can tell (a lookup that may work at the next try); the caller
measures how long the second kind has lasted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kelvin_provision.cluster.kubernetes.judge.readiness import condition, words
from kelvin_provision.cluster.kubernetes.render.objects import template_hash
from kelvin_provision.cluster.protocol import WaitPolicy
from kelvin_provision.spec.workload import Object

IMAGE = frozenset({"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError", "RegistryUnavailable"})
FINAL_IMAGE = frozenset({"ErrImageNeverPull", "InvalidImageName"})
FINAL_WORDS = ("not found", "denied", "unauthorized", "manifest unknown", "forbidden", "no match for platform", "authorization failed")
CREATING = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
PASSING = ("timed out", "deadline exceeded", "failed to sync", "failed to reserve", "is reserved for")
EVENTS = frozenset({"FailedMount", "FailedAttachVolume", "FailedCreate", "FailedMapVolume", "FailedCreatePodSandBox"})


@dataclass(frozen=True)
class Trouble:
    """`key` is the same for as long as it is the same trouble, however its words change."""

    key: str
    why: str
    final: bool


def fresh(pods: Iterable[Object], template: str | None) -> list[Object]:
    """The pods of this version of the template that are not on their way out. Without a stamp on the template: all of them."""
    return [pod for pod in pods if not pod["metadata"].get("deletionTimestamp") and (template is None or template_hash(pod) == template)]


def ready(pod: Object) -> bool:
    """Whether the pod can answer."""
    return condition(pod, "Ready").get("status") == "True"


def troubles(pods: Sequence[Object], events: Sequence[Object], patience: WaitPolicy) -> Iterator[Trouble]:
    """Of pods that are not ready, with the events that speak of them."""
    for pod in pods:
        if ready(pod):
            continue
        about = [event for event in events if (event.get("involvedObject") or {}).get("uid") == pod["metadata"].get("uid")]
        yield from _unscheduled(pod)
        states = list(statuses(pod))
        for status in states:
            yield from _container(pod, status, about, patience)
        if all(
            (status.get("state") or {}).get("waiting", {}).get("reason") in {"ContainerCreating", "PodInitializing"} for status in states
        ):
            yield from _told(pod, about)


def refusals(value: Object, events: Sequence[Object]) -> Iterator[Trouble]:
    """Pods that a controller may not make (quota, admission). A Deployment says so itself, the others only in events."""
    name, kind = value["metadata"]["name"], value.get("kind")
    failure = condition(value, "ReplicaFailure")
    if failure.get("status") == "True":
        yield Trouble(f"{kind}/{name} create", f"{kind}/{name}: {words(failure)}", final=False)
    for event in events:
        about = (event.get("involvedObject") or {}).get("uid")
        if about == value["metadata"].get("uid") and event.get("reason") == "FailedCreate":
            yield Trouble(f"{kind}/{name} create", f"{kind}/{name}: {words(event)}", final=False)


def statuses(pod: Object) -> Iterator[Mapping[str, Any]]:
    """The state of every container, the preparing ones first."""
    status = pod.get("status") or {}
    for group in ("initContainerStatuses", "containerStatuses"):
        yield from status.get(group) or ()


def deaths(status: Mapping[str, Any]) -> int:
    """How often a container has ended: its restarts, and the end that has not led to one yet."""
    state, last = status.get("state") or {}, status.get("lastState") or {}
    between = "terminated" in state or ("waiting" in state and "terminated" in last)
    return int(status.get("restartCount", 0)) + int(between)


def ending(status: Mapping[str, Any]) -> str:
    """How a container last ended: `exit code 3 (Error)`."""
    for state in (status.get("state") or {}, status.get("lastState") or {}):
        if "terminated" in state:
            ended = state["terminated"]
            told = f": {ended['message'].strip()}" if ended.get("message") else ""
            return f"exit code {ended.get('exitCode')} ({ended.get('reason', 'no reason')}){told}"
    return "no exit code"


def _container(pod: Object, status: Mapping[str, Any], about: Sequence[Object], patience: WaitPolicy) -> Iterator[Trouble]:
    where = f"pod {pod['metadata']['name']}"
    key = f"{where} {status.get('name')}"
    waiting = (status.get("state") or {}).get("waiting") or {}
    reason, said = waiting.get("reason", ""), words(waiting)
    if reason in IMAGE:
        cause = _cause(about)
        said = f"{said}: {cause}" if cause and cause not in said else said
        final = reason in FINAL_IMAGE or any(word in said.lower() for word in FINAL_WORDS)
        yield Trouble(f"{key} image", f"{where}: {said}", final=final)
    elif reason in CREATING:
        yield Trouble(f"{key} create", f"{where}: {said}", final=not any(word in said.lower() for word in PASSING))
    died = deaths(status)
    if died >= patience.restarts and (status.get("state") or {}).get("terminated", {}).get("exitCode") != 0:
        yield Trouble(
            f"{key} restarts", f"{where}: container {status.get('name')} ended {died} times, last with {ending(status)}", final=True
        )


def _cause(about: Sequence[Object]) -> str:
    """Why the image did not come: ImagePullBackOff itself often does not say."""
    told = [str(event.get("message")) for event in about if event.get("reason") == "Failed" and "pull image" in str(event.get("message"))]
    return told[-1] if told else ""


def _unscheduled(pod: Object) -> Iterator[Trouble]:
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        where = f"pod {pod['metadata']['name']}"
        yield Trouble(f"{where} scheduling", f"{where}: {words(scheduled)}", final=False)


def _told(pod: Object, about: Sequence[Object]) -> Iterator[Trouble]:
    """Events matter only while no container has begun: they stay when what they tell of is over."""
    where = f"pod {pod['metadata']['name']}"
    for event in about:
        if event.get("reason") in EVENTS:
            yield Trouble(f"{where} {event['reason']}", f"{where}: {words(event)}", final=False)
