"""Namespaces: which ones of a plan exist, and which objects would be deleted together with one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from kelvin_provision.cluster.kubernetes.api.errors import Rejected
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.render.objects import namespace_of
from kelvin_provision.cluster.plan import Finding, describe
from kelvin_provision.errors import ProvisionError
from kelvin_provision.spec.workload import Object

FOLLOWERS = frozenset({"Event", "Endpoints", "EndpointSlice", "PodMetrics"})
"""Kinds that only describe other objects."""

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


def namespaces_of_plan(api: Api, home: str, desired: Mapping[str, Sequence[Object]]) -> tuple[frozenset[str], tuple[Finding, ...]]:
    """Return the namespaces that do not exist, and a finding for each workload with objects in one that is being deleted."""
    users: dict[str, list[str]] = {home: list(desired)}
    for workload, objects in desired.items():
        for namespace in sorted({namespace_of(item) for item in objects} - {"", home}):
            users.setdefault(namespace, []).append(workload)
    absent, findings = set(), []
    for namespace, workloads in users.items():
        live = api.get("v1", "Namespace", namespace)
        name = f"Namespace/{namespace}"
        if live is None:
            absent.add(namespace)
        elif (live.get("status") or {}).get("phase") == "Terminating":
            findings += [Finding("namespace-terminating", workload, name, f"{name} is being deleted") for workload in workloads]
    return frozenset(absent), tuple(findings)


def tenants(api: Api, namespace: str) -> list[str]:
    """Name the objects in a namespace, except those that the cluster makes in every one by itself.

    A group that cannot be listed is named as well: what is there is not known.
    """
    names: list[str] = []
    objects: list[Object] = []
    for group_version in api.group_versions():
        try:
            for kind in api.namespaced_kinds(group_version):
                if kind not in FOLLOWERS:
                    objects += api.list_objects(group_version, kind, namespace, metadata=True)
        except Rejected as error:
            if error.code not in {"missing", "unknown-kind", "namespace-missing"}:
                names.append(f"objects of {group_version} that could not be listed")
        except ProvisionError:
            names.append(f"objects of {group_version} that could not be listed")
    here = {item["metadata"].get("uid") for item in objects}
    elsewhere = {reference.get("uid"): reference for item in objects for reference in _owners(item) if reference.get("uid") not in here}
    living = {uid for uid, reference in elsewhere.items() if _exists(api, reference, namespace)}
    names += [describe(item) for item in objects if _counts(item, here, living)]
    return sorted(set(names))


def listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _owners(item: Object) -> Sequence[Object]:
    return item["metadata"].get("ownerReferences") or ()


def _exists(api: Api, reference: Object, namespace: str) -> bool:
    """An owner that we cannot read counts as existing."""
    try:
        live = api.get(reference.get("apiVersion", ""), reference.get("kind", ""), reference.get("name", ""), namespace)
    except (Rejected, ProvisionError):
        return True
    return live is not None and live["metadata"].get("uid") == reference.get("uid")


def _counts(item: Object, here: Collection[str | None], living: Collection[str | None]) -> bool:
    """An object with an owner in the same namespace is deleted with that owner, so only the owner counts. A cluster-scoped owner is not
    deleted, so the objects that it owns count.

    The cluster is about to delete an object whose owners are all gone, so that does not count either.
    """
    metadata = item["metadata"]
    owners = [reference.get("uid") for reference in _owners(item)]
    if owners and (any(uid in here for uid in owners) or not any(uid in living for uid in owners)):
        return False
    if TOKEN_OF in (metadata.get("annotations") or {}):
        return False
    return (item["kind"], metadata["name"]) not in MADE_BY_THE_CLUSTER
