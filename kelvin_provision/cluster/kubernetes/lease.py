"""The Lease of this box's namespace (coordination.k8s.io): compared and swapped by the API server, so that one of many takes it."""

from __future__ import annotations

import re
from functools import partial

from kelvin_provision import timestamps
from kelvin_provision.cluster.kubernetes.api.errors import Rejected
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.applying import in_namespace
from kelvin_provision.cluster.lease import Lease, taken
from kelvin_provision.errors import ClusterUnreachable
from kelvin_provision.spec.workload import Object

API_VERSION, KIND, NAME = "coordination.k8s.io/v1", "Lease", "kelvin-provision"
ATTEMPTS = 5
"""Each fails only because another one was faster, and then shows who has it."""

LONGEST = 253
"""Characters of a name in Kubernetes."""
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def read(api: Api, namespace: str) -> Lease:
    """Without an object, it is free."""
    live = api.get(API_VERSION, KIND, NAME, namespace)
    return _lease(live) if live else Lease()


def take(api: Api, namespace: str, holder: str, *, term: int, over: str) -> Lease:
    """See protocol.Cluster.take_lease."""
    for _ in range(ATTEMPTS):
        live = api.get(API_VERSION, KIND, NAME, namespace)
        before = _lease(live) if live else Lease()
        after = taken(before, holder, term=term, over=over, now=timestamps.rfc3339_now())
        if after is None:
            return before
        value = _object(after)
        try:
            if live is None:
                in_namespace(api, namespace, partial(api.create, value, namespace))
                return after
            swap = [
                {"op": "test", "path": "/spec", "value": live.get("spec") or {}},
                {"op": "replace", "path": "/spec", "value": value["spec"]},
            ]
            return _lease(api.json_patch(value, namespace, swap))
        except Rejected as error:
            if error.code not in {"exists", "invalid-object"}:  # the second is what a failed `test` is answered with
                raise
    raise ClusterUnreachable(f"the lease {NAME} is being changed all the time")


def _lease(live: Object) -> Lease:
    """Any program may have written it: the holder is short and printable, and is compared as it is."""
    spec = live.get("spec") or {}
    renewed = re.sub(r"\.\d+Z$", "Z", str(spec.get("renewTime") or ""))
    holder = re.sub(r"[^!-~]", "?", str(spec.get("holderIdentity") or ""))[:LONGEST]
    return Lease(holder, int(spec.get("leaseTransitions") or 0), renewed if TIME.fullmatch(renewed) else "")


def _object(lease: Lease) -> Object:
    """Without a duration: it does not expire."""
    micro = re.sub(r"(\.\d+)?Z$", ".000000Z", lease.renewed)
    spec = {"holderIdentity": lease.holder, "leaseTransitions": lease.term, "renewTime": micro}
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": NAME}, "spec": spec}
