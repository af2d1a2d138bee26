"""Takes away what rehearsals of this box have made, however they ended."""

from __future__ import annotations

import time

from kelvin_provision.cluster.kubernetes.api.errors import Rejected
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.judge.failures import container_statuses
from kelvin_provision.cluster.kubernetes.rehearsal.pods import GRACE
from kelvin_provision.cluster.kubernetes.rehearsal.policies import API_VERSION
from kelvin_provision.cluster.labels import REHEARSAL, REHEARSAL_HOME
from kelvin_provision.cluster.plan import describe
from kelvin_provision.errors import ClusterDenied, ClusterRefused
from kelvin_provision.spec.workload import Object

POD, NAMESPACE = ("v1", "Pod"), ("v1", "Namespace")
KINDS = ((API_VERSION, "NetworkPolicy"), ("v1", "ConfigMap"), ("v1", "Secret"))
TICK = 0.1
TIMEOUT = 60.0
"""Seconds until the last pod, and then the last namespace, must be gone."""


def clean(api: Api, home: str, *, timeout: float = TIMEOUT) -> tuple[str, ...]:
    """The pods first: a policy must not go before what it closes in. Returns the name of each object. Raises ClusterRefused.

    A namespace that is still being deleted would be in the way of the next rehearsal, so its end is waited for.
    """
    gone = _delete(api, home, POD)
    deadline = time.monotonic() + timeout
    while pods := _list(api, home, POD, metadata=False):
        for pod in pods:
            _force(api, pod)
        _pause(pods, deadline)
    for kind in (*KINDS, NAMESPACE):
        gone += _delete(api, home, kind)
    deadline = time.monotonic() + timeout
    while namespaces := _list(api, home, NAMESPACE):
        _pause(namespaces, deadline)
    return tuple(gone)


def _force(api: Api, pod: Object) -> None:
    """An older kubelet needs some ten seconds to report that a pod is gone of which no process has been left for long."""
    metadata = pod["metadata"]
    running = any("running" in (status.get("state") or {}) for status in container_statuses(pod))
    if metadata.get("deletionTimestamp") and not running:
        api.delete(*POD, metadata["name"], metadata.get("namespace"), uid=metadata.get("uid", ""), grace=0)


def _pause(items: list[Object], deadline: float) -> None:
    if time.monotonic() > deadline:
        raise ClusterRefused(f"the rehearsal has not been taken away: {', '.join(map(describe, items))} does not end")
    time.sleep(TICK)


def _delete(api: Api, home: str, kind: tuple[str, str]) -> list[str]:
    items = [item for item in _list(api, home, kind) if not item["metadata"].get("deletionTimestamp")]
    for item in items:
        metadata, grace = item["metadata"], GRACE if kind == POD else None
        api.delete(*kind, metadata["name"], metadata.get("namespace"), uid=metadata.get("uid", ""), grace=grace)
    return [describe(item) for item in items]


def _list(api: Api, home: str, kind: tuple[str, str], *, metadata: bool = True) -> list[Object]:
    """In all namespaces; in the box's own where that is all that we may see."""
    selector = f"{REHEARSAL},{REHEARSAL_HOME}={home}"
    try:
        return api.list_objects(*kind, None, selector, metadata=metadata)
    except ClusterDenied:
        return [] if kind == NAMESPACE else api.list_objects(*kind, home, selector, metadata=metadata)
    except Rejected as error:
        if error.code in {"missing", "unknown-kind"}:  # a server without network policies
            return []
        raise
