"""Takes away what rehearsals of this box have made, however they ended."""

from __future__ import annotations

import time
from collections.abc import Sequence

from kelvin_provision.cluster.kubernetes.api.errors import Rejected
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.rehearsal.pods import GRACE
from kelvin_provision.cluster.kubernetes.rehearsal.policies import API_VERSION
from kelvin_provision.cluster.labels import REHEARSAL, REHEARSAL_HOME
from kelvin_provision.cluster.plan import describe
from kelvin_provision.errors import ClusterDenied, ClusterRefused
from kelvin_provision.spec.workload import Object

KINDS = ((API_VERSION, "NetworkPolicy"), ("v1", "ConfigMap"), ("v1", "Secret"))
TICK = 0.1
TIMEOUT = 60.0
"""Seconds until the last pod must be gone."""


def clean(api: Api, home: str, *, timeout: float = TIMEOUT) -> tuple[str, ...]:
    """The pods first: a policy must not go before what it closes in. Returns the name of each object. Raises ClusterRefused."""
    gone = _delete(api, home, "v1", "Pod")
    _wait(api, home, timeout)
    for version, kind in KINDS:
        gone += _delete(api, home, version, kind)
    gone += _delete(api, home, "v1", "Namespace")
    return tuple(gone)


def _wait(api: Api, home: str, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while pods := _list(api, home, "v1", "Pod"):
        if time.monotonic() > deadline:
            names = ", ".join(describe(pod) for pod in pods)
            raise ClusterRefused(f"the rehearsal has not been taken away: {names} does not end")
        time.sleep(TICK)


def _delete(api: Api, home: str, version: str, kind: str) -> list[str]:
    items = [item for item in _list(api, home, version, kind) if not item["metadata"].get("deletionTimestamp")]
    for item in items:
        metadata = item["metadata"]
        api.delete(
            version, kind, metadata["name"], metadata.get("namespace"), uid=metadata.get("uid", ""), grace=GRACE if kind == "Pod" else None
        )
    return [describe(item) for item in items]


def _list(api: Api, home: str, version: str, kind: str) -> Sequence[Object]:
    """In all namespaces; in the box's own where that is all that we may see."""
    selector = f"{REHEARSAL},{REHEARSAL_HOME}={home}"
    try:
        return api.list_objects(version, kind, None, selector, metadata=True)
    except ClusterDenied:
        return [] if kind == "Namespace" else api.list_objects(version, kind, home, selector, metadata=True)
    except Rejected as error:
        if error.code in {"missing", "unknown-kind"}:  # a server without network policies
            return []
        raise
