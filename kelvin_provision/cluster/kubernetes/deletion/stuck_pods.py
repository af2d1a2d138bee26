"""Deletes pods that stay stuck although the cause is gone, so that their controller creates them again.

A StatefulSet never replaces a pod that is not ready, not even in a rollback. Its controller must first have observed the restored
version; otherwise it creates the deleted pod again from the broken version, and the new pod is stuck as well.
A kubelet that could not pull an image backs off for up to five minutes, even if the image is imported meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from kelvin_provision.cluster.kubernetes import inventory
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.judge.failures import IMAGE_REASONS, container_statuses, is_ready
from kelvin_provision.cluster.kubernetes.judge.readiness import generation_observed
from kelvin_provision.cluster.kubernetes.render.objects import template_hash
from kelvin_provision.spec.workload import Object

OBSERVE_TIMEOUT = 30.0
"""Seconds for the controller to observe the new generation. A slower one creates no pods either, which the wait reports."""
TICK = 0.1
IDLE_GRACE = 1
"""Grace period, in seconds, for a pod in which no container runs: the kubelet waits for the end of the period even so. Not 0, which
would delete the pod without a confirmation by the kubelet that nothing runs.
"""


def replace_stuck_pods(api: Api, namespace: str, workload: str, objects: Sequence[Object], *, timeout: float = OBSERVE_TIMEOUT) -> None:
    """Delete pods of StatefulSets that are not ready and not of this version."""
    stateful_sets = [item for item in objects if item["kind"] == "StatefulSet"]
    if not stateful_sets:
        return
    deadline = time.monotonic() + timeout
    while not all(_observed(api, namespace, item) for item in stateful_sets) and time.monotonic() < deadline:
        time.sleep(TICK)
    templates = {template_hash(item) for item in stateful_sets}
    for pod in inventory.of_workload(api, namespace, workload, ("v1", "Pod")):
        owners = {reference.get("kind") for reference in pod["metadata"].get("ownerReferences") or ()}
        if "StatefulSet" in owners and template_hash(pod) not in templates and not is_ready(pod):
            _delete(api, namespace, pod)


def retry_stuck_pods(api: Api, namespace: str, workload: str) -> None:
    """Delete pods that wait for an image, if a controller creates them again."""
    for pod in inventory.of_workload(api, namespace, workload, ("v1", "Pod")):
        reasons = {((status.get("state") or {}).get("waiting") or {}).get("reason") for status in container_statuses(pod)}
        if reasons & IMAGE_REASONS and pod["metadata"].get("ownerReferences"):
            _delete(api, namespace, pod)


def _delete(api: Api, namespace: str, pod: Object) -> None:
    """Delete the pod unless it is already being deleted."""
    if pod["metadata"].get("deletionTimestamp"):
        return
    grace = None if any("running" in (status.get("state") or {}) for status in container_statuses(pod)) else IDLE_GRACE
    api.delete("v1", "Pod", pod["metadata"]["name"], pod["metadata"].get("namespace") or namespace, uid=pod["metadata"]["uid"], grace=grace)


def _observed(api: Api, namespace: str, item: Object) -> bool:
    live = inventory.live(api, namespace, item)
    return live is None or generation_observed(live)
