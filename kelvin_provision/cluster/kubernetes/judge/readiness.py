"""Judges from its status whether a live object is ready, with the cluster's own reason. Pure.

The generation comes first: a status of an older generation says nothing about this one. The caller owns the deadline.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from kelvin_provision.cluster.health import Health, Phase
from kelvin_provision.cluster.labels import MANAGER
from kelvin_provision.cluster.plan import describe
from kelvin_provision.spec.workload import Object

READY = Health(Phase.READY)


def health(live: Object) -> Health:
    """An object of a kind that has no judge is ready."""
    if not generation_observed(live):
        return _waiting(live, "the controller has not observed this version yet")
    judge = JUDGES.get(live.get("kind") or "")
    return judge(live, live.get("spec") or {}, live.get("status") or {}) if judge else READY


def generation_observed(live: Object) -> bool:
    """Whether the controller has observed the newest version of the object."""
    status = live.get("status")  # of a kind that is not ours, anything
    observed, generation = status.get("observedGeneration") if isinstance(status, dict) else None, live["metadata"].get("generation")
    if observed is None:
        return live.get("kind") not in REPORTS_GENERATION
    return generation is None or observed >= generation


def condition(live: Object, kind: str) -> Mapping[str, Any]:
    """Return the condition of that type, or an empty mapping."""
    candidate: Mapping[str, Any]
    for candidate in (live.get("status") or {}).get("conditions") or ():
        if candidate.get("type") == kind:
            return candidate
    return {}


def reason_and_message(source: Mapping[str, Any]) -> str:
    """Format a condition, an event, or the state of a container."""
    return ": ".join(filter(None, (source.get("reason"), source.get("message")))) or "no reason given"


class HeldBack(NamedTuple):
    """Why no pod of a version starts until a person says so, and what to do."""

    why: str
    hint: str

    def __str__(self) -> str:
        return f"{self.why}; {self.hint}"


def held_back(item: Object) -> HeldBack | None:
    key = {"Deployment": "paused", "Job": "suspend"}.get(item.get("kind") or "")
    if key is None or not (item.get("spec") or {}).get(key) or paused_by_us(item):
        return None
    if key == "suspend":
        return HeldBack("suspended (spec.suspend is true), so it does not run", "remove `suspend: true`")
    hint = f"remove `paused: true`, or: kubectl rollout resume deployment/{item['metadata'].get('name')}"
    return HeldBack("paused (spec.paused is true), so no pod of this version starts", hint)


def paused_by_us(live: Object) -> bool:
    """Whether the rollout is paused by an apply of ours that is under way, or was interrupted."""
    entries = live["metadata"].get("managedFields") or ()
    owned = (entry.get("fieldsV1") or {} for entry in entries if entry.get("manager") == MANAGER and entry.get("operation") == "Update")
    return bool((live.get("spec") or {}).get("paused")) and any("f:paused" in fields.get("f:spec", {}) for fields in owned)


def _waiting(live: Object, why: str) -> Health:
    return Health(Phase.WAITING, f"{describe(live)}: {why}")


def _failed(live: Object, why: str) -> Health:
    return Health(Phase.FAILED, f"{describe(live)}: {why}")


def _deployment(live: Object, spec: Mapping[str, Any], status: Mapping[str, Any]) -> Health:
    progressing = condition(live, "Progressing")
    if progressing.get("status") == "False" and progressing.get("reason") == "ProgressDeadlineExceeded":
        return _failed(live, reason_and_message(progressing))
    replicas = spec.get("replicas", 1)
    updated, total = status.get("updatedReplicas", 0), status.get("replicas", 0)
    if updated < replicas and (held := held_back(live)):
        return _failed(live, str(held))
    available = status.get("availableReplicas", 0)
    if updated < replicas:
        return _waiting(live, f"{updated} of {replicas} new pods created")
    if total > updated:
        return _waiting(live, f"{total - updated} old pods still running")
    if available < replicas:
        return _waiting(live, f"{available} of {replicas} pods available")
    return READY


def _stateful_set(live: Object, spec: Mapping[str, Any], status: Mapping[str, Any]) -> Health:
    replicas = spec.get("replicas", 1)
    strategy = spec.get("updateStrategy") or {}
    # Pods below the partition keep the old version on purpose.
    updating = replicas - ((strategy.get("rollingUpdate") or {}).get("partition") or 0)
    updated, ready = status.get("updatedReplicas", 0), status.get("readyReplicas", 0)
    if strategy.get("type") != "OnDelete" and status.get("updateRevision") != status.get("currentRevision") and updated < updating:
        return _waiting(live, f"{updated} of {updating} new pods created")
    return READY if ready >= replicas else _waiting(live, f"{ready} of {replicas} pods ready")


def _daemon_set(live: Object, spec: Mapping[str, Any], status: Mapping[str, Any]) -> Health:
    desired, updated, available = (status.get(name, 0) for name in ("desiredNumberScheduled", "updatedNumberScheduled", "numberAvailable"))
    on_delete = (spec.get("updateStrategy") or {}).get("type") == "OnDelete"
    if not on_delete and updated < desired:
        return _waiting(live, f"{updated} of {desired} new pods created")
    return READY if available >= desired else _waiting(live, f"{available} of {desired} pods available")


def _replica_set(live: Object, spec: Mapping[str, Any], status: Mapping[str, Any]) -> Health:
    replicas, available = spec.get("replicas", 1), status.get("availableReplicas", 0)
    return READY if available >= replicas else _waiting(live, f"{available} of {replicas} pods available")


def _job(live: Object, _spec: Mapping[str, Any], _status: Mapping[str, Any]) -> Health:
    failed = condition(live, "Failed")
    if held := held_back(live):
        return _failed(live, str(held))
    if failed.get("status") == "True":
        return _failed(live, reason_and_message(failed))
    return READY if condition(live, "Complete").get("status") == "True" else _waiting(live, "not complete yet")


def _pod(live: Object, spec: Mapping[str, Any], status: Mapping[str, Any]) -> Health:
    phase = status.get("phase")
    if phase == "Failed":
        return _failed(live, reason_and_message(status))
    if phase == "Succeeded" and spec.get("restartPolicy") in {"Never", "OnFailure"}:
        return READY
    return READY if condition(live, "Ready").get("status") == "True" else _waiting(live, f"{phase or 'Pending'}, not ready")


def _persistent_volume_claim(live: Object, _spec: Mapping[str, Any], status: Mapping[str, Any]) -> Health:
    # Pending is no failure: many storage classes bind when the first pod is scheduled, and a pod without its claim reports it.
    return _failed(live, "its volume is lost") if status.get("phase") == "Lost" else READY


def _custom_resource_definition(live: Object, _spec: Mapping[str, Any], _status: Mapping[str, Any]) -> Health:
    names = condition(live, "NamesAccepted")
    if names.get("status") == "False":
        return _failed(live, reason_and_message(names))
    return READY if condition(live, "Established").get("status") == "True" else _waiting(live, "not established yet")


JUDGES: Mapping[str, Callable[[Object, Mapping[str, Any], Mapping[str, Any]], Health]] = {
    "Deployment": _deployment,
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set,
    "ReplicaSet": _replica_set,
    "ReplicationController": _replica_set,
    "Job": _job,
    "Pod": _pod,
    "PersistentVolumeClaim": _persistent_volume_claim,
    "CustomResourceDefinition": _custom_resource_definition,
}
REPORTS_GENERATION = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController"})
"""Controllers of these kinds report the generation that they have observed. Without a report they have observed none."""
