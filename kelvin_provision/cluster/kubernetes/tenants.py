"""What lies in a namespace and would go with it: all objects, except those that the cluster makes in every namespace by itself."""

from __future__ import annotations

from collections.abc import Sequence

from kelvin_provision.cluster.kubernetes.api.errors import Rejected
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.plan import describe
from kelvin_provision.errors import ProvisionError
from kelvin_provision.spec.workload import Object

FOLLOWERS = frozenset({"Event", "Endpoints", "EndpointSlice", "PodMetrics"})
"""Kinds that only tell of other objects."""

MADE_BY_THE_CLUSTER = frozenset(
    {
        ("ServiceAccount", "default"),
        ("ConfigMap", "kube-root-ca.crt"),
        ("ConfigMap", "openshift-service-ca.crt"),
        ("ConfigMap", "istio-ca-root-cert"),
    }
)
TOKEN_OF = "kubernetes.io/service-account.name"  # noqa: S105  (an annotation of tokens)
SHOWN = 3


def tenants(api: Api, namespace: str) -> list[str]:
    """Name them. A group that cannot be listed is named as well: what is there is not known."""
    names: list[str] = []
    for group_version in api.group_versions():
        try:
            for kind in api.namespaced_kinds(group_version):
                if kind not in FOLLOWERS:
                    names += [describe(item) for item in api.list_objects(group_version, kind, namespace, metadata=True) if _counts(item)]
        except Rejected as error:
            if error.code not in {"missing", "unknown-kind", "namespace-missing"}:
                names.append(f"what {group_version} has there")
        except ProvisionError:
            names.append(f"what {group_version} has there")
    return sorted(set(names))


def listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _counts(item: Object) -> bool:
    """An object with an owner goes with that; its owner counts."""
    metadata = item["metadata"]
    if metadata.get("ownerReferences") or TOKEN_OF in (metadata.get("annotations") or {}):
        return False
    return (item["kind"], metadata["name"]) not in MADE_BY_THE_CLUSTER
