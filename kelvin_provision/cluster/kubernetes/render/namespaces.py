"""Namespaces of a set of manifests: those that must exist, and references that follow the objects to where they lie. Pure.

`kubectl apply -n X` puts objects without a namespace into X, and manifests for it write X where a reference must name a namespace. Here
such objects get the box's namespace, so that a reference to one of them must name that.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

from kelvin_provision.cluster.kubernetes.render.objects import namespace_of
from kelvin_provision.spec.workload import Object

BUILT_IN = frozenset({"default", "kube-system", "kube-public", "kube-node-lease"})
"""Namespaces that every cluster has."""

Given = frozenset[tuple[str, str, str]]
"""Kind, name, and the namespace that the manifest names, or empty."""


def completed(objects: Sequence[Object], home: str) -> list[Object]:
    """With a Namespace for each namespace that an object names, and references to the namespaces in which objects of the set lie."""
    given = frozenset((str(item.get("kind")), _name(item), namespace_of(item)) for item in objects)
    return [*_namespaces(objects, home), *(_followed(item, given, home) for item in objects)]


def _namespaces(objects: Sequence[Object], home: str) -> Iterator[Object]:
    present = {_name(item) for item in objects if item.get("kind") == "Namespace"} | BUILT_IN | {home, ""}
    for name in sorted({namespace_of(item) for item in objects} - present):
        yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def _followed(item: Object, given: Given, home: str) -> Object:
    if not any(True for _ in _references(item)):
        return item
    item = copy.deepcopy(item)
    for kind, reference in _references(item):
        namespace = _target(kind, reference, namespace_of(item) or home, given, home)
        if namespace:
            reference["namespace"] = namespace
    return item


def _target(kind: str, reference: Object, own: str, given: Given, home: str) -> str:
    """Where the object that is meant lies; a reference to an object that is not of this set stays as it is."""
    name, named = str(reference.get("name")), reference.get("namespace")
    namespaces = {namespace for its_kind, its_name, namespace in given if (its_kind, its_name) == (kind, name)}
    places = {namespace or home for namespace in namespaces}
    if named:
        return home if "" in namespaces and named not in places else str(named)
    return next(iter(places)) if len(places) == 1 else own


def _references(item: Object) -> Iterator[tuple[str, dict[str, Any]]]:
    """Kind and place of every reference with a namespace: subjects of role bindings, services of webhooks and aggregated APIs."""
    kind, spec = item.get("kind"), item.get("spec") or {}
    if kind in {"RoleBinding", "ClusterRoleBinding"}:
        yield from (("ServiceAccount", subject) for subject in item.get("subjects") or () if _is_account(subject))
    configurations = [item] if kind in {"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"} else []
    hooks = [hook for configuration in configurations for hook in configuration.get("webhooks") or () if isinstance(hook, dict)]
    if kind == "CustomResourceDefinition":
        hooks.append((spec.get("conversion") or {}).get("webhook") or {})
    services = [(hook.get("clientConfig") or {}).get("service") for hook in hooks]
    if kind == "APIService":
        services.append(spec.get("service"))
    yield from (("Service", service) for service in services if isinstance(service, dict))


def _is_account(subject: Any) -> bool:
    return isinstance(subject, dict) and subject.get("kind") == "ServiceAccount"


def _name(item: Object) -> str:
    return str((item.get("metadata") or {}).get("name") or "")
