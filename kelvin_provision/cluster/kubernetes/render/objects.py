"""Functions for all our objects: labels, annotations, hashes, the order of applying, pod templates.

Pure. An object is a plain JSON document; nothing here changes one in place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kelvin_provision.cluster.labels import HOME, MANAGER, OWNER, REVISION, SPEC_HASH
from kelvin_provision.files.hashing import sha256_hex
from kelvin_provision.quantity import parse_count
from kelvin_provision.spec.workload import Object, Spec

VERSION = "kelvin-provision/app-version"
HOSTNAME = "kubernetes.io/hostname"
LABEL_LENGTH = 63
GroupKind = tuple[str, str]

APPLY_FIRST = (
    "Namespace",
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
"""Kinds that others depend on, in the order of applying. Pods and their controllers follow, what calls them, and last unknown kinds."""

REGISTERED = frozenset({"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "APIService"})
"""Kinds by which the server calls a Service."""

REGISTRATIONS = len(APPLY_FIRST) + 1
"""The rank of these kinds: they need pods that answer."""

CUSTOM = REGISTRATIONS + 1
"""The rank of unknown kinds: objects that may need a controller or a webhook of the same workload."""

CLUSTER_SCOPED = frozenset(
    {
        "Namespace",
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
    """What rendering must know about the cluster. `node_label` is this node's value of the label HOSTNAME, empty without one.

    `settle` in seconds; `pull_hosts` are registries that we have credentials for;
    `has_sleep`: this Kubernetes has `preStop.sleep` (1.30 and newer). `site`: that label of each node that is brought images, ours among
    them, by name; empty where ours is the only one.
    """

    namespace: str = "app"
    cluster_name: str = ""
    node_name: str = ""
    node_label: str = ""
    settle: int = 5
    pull_hosts: frozenset[str] = frozenset()
    has_sleep: bool = False
    site: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, order=True)
class Key:
    """Identifies an object. `namespace` is empty for an object of the cluster."""

    api_version: str
    kind: str
    name: str
    namespace: str = ""

    @classmethod
    def of(cls, value: Object) -> Key:
        metadata = value.get("metadata") or {}
        return cls(value.get("apiVersion") or "", value.get("kind") or "", metadata.get("name") or "", namespace_of(value))


def namespace_of(value: Object) -> str:
    """The namespace of a rendered or live object; empty for kinds that are known to have none."""
    return "" if value.get("kind") in CLUSTER_SCOPED else str((value.get("metadata") or {}).get("namespace") or "")


def keys_of(objects: Iterable[Object]) -> frozenset[Key]:
    """The keys by which live objects are recognized as these. A custom kind may be one of the cluster, which its objects do not tell."""
    keys = {Key.of(item) for item in objects}
    return frozenset({*keys, *(replace(key, namespace="") for key in keys)})


def digest(value: Any) -> str:
    """Hash a document; the order of keys does not matter."""
    return sha256_hex(json.dumps(value, sort_keys=True, separators=(",", ":")))


def short(value: Any) -> str:
    """Return a part of the hash that is long enough for names."""
    return digest(value)[:10]


def label_value(text: str) -> str:
    """Make a text a valid label value: `1.0.0+7` becomes `1.0.0_7`."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", text)[:LABEL_LENGTH].strip("._-")


def labels(spec: Spec) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": label_value(spec.app_name),
        "app.kubernetes.io/instance": spec.name,
        "app.kubernetes.io/version": label_value(spec.app_version),
        "app.kubernetes.io/managed-by": MANAGER,
        OWNER: spec.name,
    }


def with_ownership(value: Object, spec: Spec, revision: int, home: str, cluster_kinds: Collection[GroupKind] = ()) -> Object:
    """Return a copy with our labels, annotations and a namespace, `home` unless it names one. Labels of the user win, except for those
    that mark the object as ours. `cluster_kinds`: custom kinds without namespaces.
    """
    metadata = dict(value.get("metadata") or {})
    own_labels = labels(spec)
    ownership = {name: own_labels[name] for name in (OWNER, "app.kubernetes.io/managed-by")}
    metadata["labels"] = own_labels | (metadata.get("labels") or {}) | ownership
    annotations = {REVISION: str(revision), SPEC_HASH: digest(value), VERSION: spec.app_version}
    metadata["annotations"] = (metadata.get("annotations") or {}) | annotations
    if value.get("kind") in CLUSTER_SCOPED or group_kind(value) in cluster_kinds:
        metadata.pop("namespace", None)
    else:
        metadata["namespace"] = metadata.get("namespace") or home
    if metadata.get("namespace") != home:
        metadata["labels"][HOME] = home
    return value | {"metadata": metadata}


def group_kind(value: Object) -> GroupKind:
    return (value.get("apiVersion") or "").rpartition("/")[0], value.get("kind") or ""


def rank(value: Object) -> int:
    """The position in the order of applying."""
    kind = value.get("kind") or ""
    if kind in APPLY_FIRST:
        return APPLY_FIRST.index(kind)
    if kind in TEMPLATED or kind in {"Pod", "CronJob"}:
        return len(APPLY_FIRST)
    return REGISTRATIONS if kind in REGISTERED else CUSTOM


def template_of(value: Object) -> Object | None:
    """Return the pod template, not a copy; for a Pod the object itself."""
    kind, spec = value.get("kind"), value.get("spec") or {}
    if kind == "Pod":
        return value
    if kind in TEMPLATED:
        return spec.get("template")
    if kind == "CronJob":
        return ((spec.get("jobTemplate") or {}).get("spec") or {}).get("template")
    return None


def containers_of(template: Object) -> Iterator[Object]:
    """Yield the containers of a pod or a template, init containers included."""
    spec = template.get("spec") or {}
    for group in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(group) or ()


def image_volumes_of(template: Object) -> Iterator[Object]:
    """Yield the volumes of a pod or a template that are images."""
    for volume in (template.get("spec") or {}).get("volumes") or ():
        if isinstance(volume.get("image"), dict):
            yield volume


def template_hash(value: Object) -> str | None:
    """Return our hash of the pod template, which a controller and its pods have in common."""
    template = template_of(value)
    if template is None:
        return None
    annotations: dict[str, str] = (template.get("metadata") or {}).get("annotations") or {}
    return annotations.get(SPEC_HASH)


def owner(value: Object) -> str | None:
    """Return the workload in our label."""
    workload: str | None = ((value.get("metadata") or {}).get("labels") or {}).get(OWNER)
    return workload


def is_of_home(value: Object, home: str) -> bool:
    """Whether a live object with our label belongs to this box, and not to another one that shares the namespace."""
    return ((value.get("metadata") or {}).get("labels") or {}).get(HOME) == (None if namespace_of(value) == home else home)


def revision_of(value: Object) -> int | None:
    revision = ((value.get("metadata") or {}).get("annotations") or {}).get(REVISION, "")
    return parse_count(revision)


def cluster_kinds_of(item: Object) -> Iterator[GroupKind]:
    """Yield the kind of a CustomResourceDefinition whose objects have no namespace."""
    spec = item.get("spec") or {}
    if item.get("kind") == "CustomResourceDefinition" and spec.get("scope") == "Cluster":
        yield spec.get("group") or "", (spec.get("names") or {}).get("kind") or ""


def defined_kinds(item: Object) -> Iterator[tuple[str, str]]:
    """Yield `(group/version, kind)` for each version of a CustomResourceDefinition that is served."""
    if item.get("kind") == "CustomResourceDefinition":
        spec = item.get("spec") or {}
        for version in spec.get("versions") or ():
            if version.get("served") is not False:
                yield f"{spec.get('group')}/{version.get('name')}", (spec.get("names") or {}).get("kind", "")
