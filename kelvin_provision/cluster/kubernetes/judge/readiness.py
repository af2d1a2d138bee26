"""Is it ready? Pure questions to one object, three answers, in the cluster's own words.

Generation first: a status that speaks of an older generation says nothing. Whoever asks owns the deadline.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kelvin_provision.cluster.plan import describe
from kelvin_provision.cluster.protocol import Health, Phase
from kelvin_provision.spec.workload import Object

READY = Health(Phase.READY)


def health(value: Object) -> Health:
    """One live object's readiness."""
    if not seen(value):
        return _waiting(value, "the controller has not seen this version yet")
    judge = JUDGES.get(value.get("kind") or "")
    return judge(value, value.get("spec") or {}, value.get("status") or {}) if judge else READY


def seen(value: Object) -> bool:
    """Whether the controller of a live object has seen its newest version."""
    observed, wanted = (value.get("status") or {}).get("observedGeneration"), value["metadata"].get("generation")
    if observed is None:
        return value.get("kind") not in OBSERVED
    return wanted is None or observed >= wanted


def _waiting(value: Object, why: str) -> Health:
    return Health(Phase.WAITING, f"{describe(value)}: {why}")


def _failed(value: Object, why: str) -> Health:
    return Health(Phase.FAILED, f"{describe(value)}: {why}")


def condition(value: Object, kind: str) -> Mapping[str, Any]:
    """The condition of that type, or an empty one."""
    found: Mapping[str, Any]
    for found in (value.get("status") or {}).get("conditions") or ():
        if found.get("type") == kind:
            return found
    return {}


def words(found: Mapping[str, Any]) -> str:
    """Reason and message of a condition, or of a container's state."""
    return ": ".join(filter(None, (found.get("reason"), found.get("message")))) or "no reason given"


def _deployment(value: Object, spec: Mapping[str, Any], status: Mapping[str, Any]) -> Health:
    progressing = condition(value, "Progressing")
    if progressing.get("status") == "False" and progressing.get("reason") == "ProgressDeadlineExceeded":
        return _failed(value, words(progressing))
    wanted = spec.get("replicas", 1)
    updated, total = status.get("updatedReplicas", 0), status.get("replicas", 0)
    if updated < wanted:
        return _waiting(value, f"{updated} of {wanted} new pods made")
    if total > updated:
        return _waiting(value, f"{total - updated} old pods to go")
    if status.get("availableReplicas", 0) < wanted:
        return _waiting(value, f"{status.get('availableReplicas', 0)} of {wanted} pods available")
    return READY


def _stateful_set(value: Object, spec: Mapping[str, Any], status: Mapping[str, Any]) -> Health:
    wanted = spec.get("replicas", 1)
    strategy = spec.get("updateStrategy") or {}
    held = (strategy.get("rollingUpdate") or {}).get("partition") or 0
    if strategy.get("type") != "OnDelete" and status.get("updateRevision") != status.get("currentRevision"):
        updated = status.get("updatedReplicas", 0)
        if updated < wanted - held:
            return _waiting(value, f"{updated} of {wanted - held} new pods made")
    if status.get("readyReplicas", 0) < wanted:
        return _waiting(value, f"{status.get('readyReplicas', 0)} of {wanted} pods ready")
    return READY


def _daemon_set(value: Object, spec: Mapping[str, Any], status: Mapping[str, Any]) -> Health:
    wanted = status.get("desiredNumberScheduled", 0)
    on_delete = (spec.get("updateStrategy") or {}).get("type") == "OnDelete"
    if not on_delete and status.get("updatedNumberScheduled", 0) < wanted:
        return _waiting(value, f"{status.get('updatedNumberScheduled', 0)} of {wanted} new pods made")
    if status.get("numberAvailable", 0) < wanted:
        return _waiting(value, f"{status.get('numberAvailable', 0)} of {wanted} pods available")
    return READY


def _replica_set(value: Object, spec: Mapping[str, Any], status: Mapping[str, Any]) -> Health:
    wanted, there = spec.get("replicas", 1), status.get("availableReplicas", 0)
    return READY if there >= wanted else _waiting(value, f"{there} of {wanted} pods available")


def _job(value: Object, _spec: Mapping[str, Any], _status: Mapping[str, Any]) -> Health:
    failed = condition(value, "Failed")
    if failed.get("status") == "True":
        return _failed(value, words(failed))
    return READY if condition(value, "Complete").get("status") == "True" else _waiting(value, "not complete yet")


def _pod(value: Object, spec: Mapping[str, Any], status: Mapping[str, Any]) -> Health:
    phase = status.get("phase")
    if phase == "Failed":
        return _failed(value, words(status))
    if phase == "Succeeded" and spec.get("restartPolicy") in {"Never", "OnFailure"}:
        return READY
    return READY if condition(value, "Ready").get("status") == "True" else _waiting(value, f"{phase or 'Pending'}, not ready")


def _claim(value: Object, _spec: Mapping[str, Any], status: Mapping[str, Any]) -> Health:
    # Pending is no obstacle of its own: many classes bind when the first pod comes, and a pod that lacks its claim says so itself.
    return _failed(value, "the volume behind it is lost") if status.get("phase") == "Lost" else READY


def _definition(value: Object, _spec: Mapping[str, Any], _status: Mapping[str, Any]) -> Health:
    refused = condition(value, "NamesAccepted")
    if refused.get("status") == "False":
        return _failed(value, words(refused))
    return READY if condition(value, "Established").get("status") == "True" else _waiting(value, "not established yet")


JUDGES: Mapping[str, Callable[[Object, Mapping[str, Any], Mapping[str, Any]], Health]] = {
    "Deployment": _deployment,
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set,
    "ReplicaSet": _replica_set,
    "ReplicationController": _replica_set,
    "Job": _job,
    "Pod": _pod,
    "PersistentVolumeClaim": _claim,
    "CustomResourceDefinition": _definition,
}
OBSERVED = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController"})
"""Kinds whose controller says which generation it has seen; one that has said nothing has seen none."""
