"""Updates that the cluster leaves to a person: pods of the previous version that no controller replaces. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kelvin_provision.cluster.kubernetes.judge.failures import current_pods
from kelvin_provision.cluster.kubernetes.judge.readiness import generation_observed
from kelvin_provision.cluster.kubernetes.render.objects import template_hash
from kelvin_provision.cluster.plan import describe
from kelvin_provision.spec.workload import Object


class Outdated(NamedTuple):
    """`pods` of `total` run the previous version; `why` is the setting that keeps them."""

    pods: int
    total: int
    why: str


def outdated(live: Object) -> Outdated | None:
    """The pods that stay as they are although the object has a newer version, from its status; None where there are none."""
    why = _keeps(live)
    if not why or not generation_observed(live):
        return None
    spec, status = live.get("spec") or {}, live.get("status") or {}
    if live["kind"] == "DaemonSet":
        total = status.get("desiredNumberScheduled", 0)
        left = total - status.get("updatedNumberScheduled", 0)
    else:
        total = spec.get("replicas", 1)
        # Controllers with OnDelete never make the newest revision the current one, even when all pods have it.
        left = 0 if status.get("updateRevision") == status.get("currentRevision") else total - status.get("updatedReplicas", 0)
    return Outdated(left, total, why) if left > 0 else None


def left_to_do(live: Object, pods: Iterable[Object]) -> str:
    """The command or step that completes the update; empty if it is complete. `pods`: all pods of the workload."""
    state = outdated(live)
    if state is None:
        return ""
    text = f"{describe(live)}: {state.pods} of {state.total} pods still run the previous version ({state.why})"
    if _is_on_delete(live):
        names = " ".join(sorted(pod["metadata"]["name"] for pod in _old_pods(live, list(pods)))) or "NAME"
        return f"{text}; to update: kubectl -n {live['metadata'].get('namespace', 'NAMESPACE')} delete pod {names}"
    return f"{text}; deploy it with a lower partition to update them"


def remark(workload: str, live: Object | None, outcome: Object) -> str:
    """What a person should know before an update that the cluster does not carry out by itself; empty for none."""
    why = _keeps(outcome)
    if live is None or not why or template_hash(live) == template_hash(outcome):
        return ""
    if _is_on_delete(outcome):
        return f"{workload}: {describe(outcome)}: each pod keeps running the previous version until it is deleted ({why})"
    return f"{workload}: {describe(outcome)}: pods below the partition keep the previous version ({why})"


def _keeps(item: Object) -> str:
    if item.get("kind") not in {"StatefulSet", "DaemonSet"}:
        return ""
    strategy = (item.get("spec") or {}).get("updateStrategy") or {}
    if _is_on_delete(item):
        return "updateStrategy OnDelete"
    partition = (strategy.get("rollingUpdate") or {}).get("partition") or 0
    return f"partition {partition}" if item["kind"] == "StatefulSet" and partition > 0 else ""


def _is_on_delete(item: Object) -> bool:
    return ((item.get("spec") or {}).get("updateStrategy") or {}).get("type") == "OnDelete"


def _old_pods(live: Object, pods: Sequence[Object]) -> list[Object]:
    current = current_pods(pods, live)
    return [pod for pod in pods if pod not in current and not pod["metadata"].get("deletionTimestamp") and _is_of(live, pod)]


def _is_of(live: Object, pod: Object) -> bool:
    if pod["metadata"].get("namespace") != live["metadata"].get("namespace"):
        return False
    owners = pod["metadata"].get("ownerReferences") or ()
    return any((owner.get("kind"), owner.get("name")) == (live["kind"], live["metadata"]["name"]) for owner in owners)
