"""Pods that stay stuck although what stopped them is over: they are taken away, and their controller makes them anew.

A StatefulSet never replaces a pod that is not ready, not even when it is told to go back. It must have seen what it goes back to:
one that has not makes a pod that is taken away anew from the broken version, and that one is stuck as well.
A kubelet that could not get an image makes pauses of up to five minutes between its tries, whoever has brought the image meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from kelvin_provision.cluster.kubernetes import inventory
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.judge.failures import IMAGE, ready, statuses
from kelvin_provision.cluster.kubernetes.judge.readiness import seen
from kelvin_provision.cluster.kubernetes.render.objects import Key, template_hash
from kelvin_provision.spec.workload import Object

SEEING = 30.0
"""Seconds that the controller gets to see it; one that is silent for longer makes no pods either, and whoever waits will say so."""
TICK = 0.1
IDLE = 1
"""Seconds of grace for a pod in which nothing runs: the kubelet waits for all of them even so, and the old version with it. Not 0,
which would not ask the kubelet whether that is true.
"""


def unstick(api: Api, namespace: str, workload: str, objects: Sequence[Object], *, patience: float = SEEING) -> None:
    """Take away the pods of another version that are not ready. Errors as the API's."""
    sets = [item for item in objects if item["kind"] == "StatefulSet"]
    deadline = time.monotonic() + patience
    while not all(_seen(api, namespace, item) for item in sets) and time.monotonic() < deadline:
        time.sleep(TICK)
    for pod in _stuck(api, namespace, workload, sets):
        _take_away(api, namespace, pod)


def retry_stuck_pods(api: Api, namespace: str, workload: str) -> None:
    """Take away the pods that wait for an image; one that no controller would make anew stays. Errors as the API's."""
    for pod in api.list_objects("v1", "Pod", namespace, inventory.selector(workload)):
        reasons = {((status.get("state") or {}).get("waiting") or {}).get("reason") for status in statuses(pod)}
        if reasons & IMAGE and pod["metadata"].get("ownerReferences") and not pod["metadata"].get("deletionTimestamp"):
            _take_away(api, namespace, pod)


def _take_away(api: Api, namespace: str, pod: Object) -> None:
    grace = None if any("running" in (status.get("state") or {}) for status in statuses(pod)) else IDLE
    api.delete("v1", "Pod", pod["metadata"]["name"], namespace, uid=pod["metadata"]["uid"], grace=grace)


def _seen(api: Api, namespace: str, item: Object) -> bool:
    key = Key.of(item)
    live = api.get(key.api_version, key.kind, key.name, namespace)
    return live is None or seen(live)


def _stuck(api: Api, namespace: str, workload: str, sets: Sequence[Object]) -> list[Object]:
    """Pods of a StatefulSet that are of none of these versions, not ready, and not on their way out."""
    templates = {template_hash(item) for item in sets}
    if not sets:
        return []
    return [
        pod
        for pod in api.list_objects("v1", "Pod", namespace, inventory.selector(workload))
        if "StatefulSet" in {reference.get("kind") for reference in pod["metadata"].get("ownerReferences") or ()}
        and template_hash(pod) not in templates
        and not ready(pod)
        and not pod["metadata"].get("deletionTimestamp")
    ]
