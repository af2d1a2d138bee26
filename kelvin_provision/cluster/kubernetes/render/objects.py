"""What every object of ours has in common: labels, annotations, hashes, the order of applying, where pods are described.

Pure. An object is a plain JSON document; nothing here changes one in place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kelvin_provision.cluster.labels import MANAGER, OWNER, REVISION, SPEC_HASH
from kelvin_provision.files.hashing import sha256_hex
from kelvin_provision.spec.workload import Object, Spec

VERSION = "kelvin-provision/app-version"
HOSTNAME = "kubernetes.io/hostname"
LABEL_LENGTH = 63

FIRST = (
    "CustomResourceDefinition",
    "PriorityClass",
    "StorageClass",
    "ServiceAccount",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "ResourceQuota",
    "LimitRange",
    "NetworkPolicy",
    "Secret",
    "ConfigMap",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Service",
    "Ingress",
)
"""What others lean on, in the order of applying; pods of any kind follow, and kinds that we don't know come last."""

CLUSTER_SCOPED = frozenset(
    {
        "CustomResourceDefinition",
        "PriorityClass",
        "StorageClass",
        "ClusterRole",
        "ClusterRoleBinding",
        "PersistentVolume",
        "IngressClass",
        "RuntimeClass",
        "MutatingWebhookConfiguration",
        "ValidatingWebhookConfiguration",
        "APIService",
        "CSIDriver",
    }
)
TEMPLATED = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job"})


@dataclass(frozen=True)
class Context:
    """What rendering must know about the cluster. `settle` in seconds; `pull_hosts` are registries that we have a login for;
    `api_sleep` says whether this Kubernetes can pause a container before it stops it (1.30 and newer).
    """

    namespace: str = "app"
    cluster_name: str = ""
    node_name: str = ""
    settle: int = 5
    pull_hosts: frozenset[str] = frozenset()
    api_sleep: bool = False


@dataclass(frozen=True, order=True)
class Key:
    """What names an object in the cluster, once its namespace is known."""

    api_version: str
    kind: str
    name: str

    @classmethod
    def of(cls, value: Object) -> Key:
        """The key of a document; what it lacks is empty."""
        metadata = value.get("metadata") or {}
        return cls(value.get("apiVersion") or "", value.get("kind") or "", metadata.get("name") or "")


def digest(value: Any) -> str:
    """The same for the same document, whatever the order of its keys."""
    return sha256_hex(json.dumps(value, sort_keys=True, separators=(",", ":")))


def short(value: Any) -> str:
    """Enough of a hash to tell contents apart in a name."""
    return digest(value)[:10]


def label_value(text: str) -> str:
    """What is left of a text as a label's value: `1.0.0+7` is `1.0.0_7`."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", text)[:LABEL_LENGTH].strip("._-")


def labels(spec: Spec) -> dict[str, str]:
    """The labels of every rendered object."""
    return {
        "app.kubernetes.io/name": label_value(spec.app_name),
        "app.kubernetes.io/instance": spec.name,
        "app.kubernetes.io/version": label_value(spec.app_version),
        "app.kubernetes.io/managed-by": MANAGER,
        OWNER: spec.name,
    }


def stamped(value: Object, spec: Spec, revision: int, namespace: str) -> Object:
    """A copy that says whose it is and what it was made from. Labels of the user's own stay, but for the owner's."""
    metadata = dict(value.get("metadata") or {})
    ours = labels(spec)
    owned = {name: ours[name] for name in (OWNER, "app.kubernetes.io/managed-by")}
    metadata["labels"] = ours | (metadata.get("labels") or {}) | owned
    notes = {REVISION: str(revision), SPEC_HASH: digest(value), VERSION: spec.app_version}
    metadata["annotations"] = (metadata.get("annotations") or {}) | notes
    if value.get("kind") not in CLUSTER_SCOPED:
        metadata["namespace"] = namespace
    return value | {"metadata": metadata}


def rank(value: Object) -> int:
    """Where in the order of applying an object stands."""
    kind = value.get("kind") or ""
    if kind in FIRST:
        return FIRST.index(kind)
    return len(FIRST) if kind in TEMPLATED or kind in {"Pod", "CronJob"} else len(FIRST) + 1


def template_of(value: Object) -> Object | None:
    """The document that pods are made from (the object itself for a Pod), or None. It is no copy."""
    kind, spec = value.get("kind"), value.get("spec") or {}
    if kind == "Pod":
        return value
    if kind in TEMPLATED:
        return spec.get("template")
    if kind == "CronJob":
        return ((spec.get("jobTemplate") or {}).get("spec") or {}).get("template")
    return None


def containers_of(template: Object) -> Iterator[Object]:
    """Every container of a pod or template, the ones that only prepare included."""
    spec = template.get("spec") or {}
    for group in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(group) or ()


def template_hash(value: Object) -> str | None:
    """What our stamp says the pods of this object are made from; a pod or a live object answers alike."""
    template = template_of(value)
    if template is None:
        return None
    notes: dict[str, str] = (template.get("metadata") or {}).get("annotations") or {}
    return notes.get(SPEC_HASH)


def owner(value: Object) -> str | None:
    """The workload whose label the object carries."""
    found: str | None = ((value.get("metadata") or {}).get("labels") or {}).get(OWNER)
    return found


def revision_of(value: Object) -> int | None:
    """The revision that our annotation names."""
    found = ((value.get("metadata") or {}).get("annotations") or {}).get(REVISION, "")
    return int(found) if found.isdigit() else None
