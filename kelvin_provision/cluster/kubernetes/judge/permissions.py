"""Lists the permissions (RBAC) that a change needs, and evaluates access reviews. Pure; `survey` sends the reviews."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from kelvin_provision.spec.workload import Object

APPLY_VERBS = ("get", "list", "create", "patch", "delete")
ALWAYS_NEEDED = (
    ("", "pods", ("get", "list", "watch", "create")),  # dry runs of pods create none
    ("", "events", ("list", "watch")),
    ("apps", "deployments", ("list", "watch")),
    ("", "configmaps", ("get", "list", "create", "patch", "delete")),
    ("", "pods/log", ("get",)),
)


class Permission(NamedTuple):
    """One verb on one resource. `namespaced`: whether the resource is."""

    group: str
    resource: str
    verb: str
    namespaced: bool = True


def needed(resources: Iterable[tuple[str, str, bool]]) -> tuple[Permission, ...]:
    """List what it takes to apply objects of these resources (group, plural name, namespaced) and to wait for them."""
    always = [Permission(group, name, verb) for group, name, verbs in ALWAYS_NEEDED for verb in verbs]
    applying = [Permission(group, name, verb, namespaced) for group, name, namespaced in resources for verb in APPLY_VERBS]
    return tuple(sorted({*always, *applying}))


def granted(permission: Permission, rules: Sequence[Object]) -> bool:
    """Whether the rules of a SelfSubjectRulesReview grant it. A rule for certain object names does not count."""
    group, resource, verb, _ = permission
    return any(
        _covers(rule.get("apiGroups"), group) and _covers(rule.get("resources"), resource) and _covers(rule.get("verbs"), verb)
        for rule in rules
        if not rule.get("resourceNames")
    )


def _covers(values: Sequence[str] | None, value: str) -> bool:
    return bool({"*", value} & {*(values or ())})


def describe_permissions(permissions: Iterable[Permission]) -> Iterator[str]:
    """Yield a line for each resource: `create, patch deployments.apps`."""
    verbs: dict[str, list[str]] = {}
    for group, resource, verb, _ in sorted(permissions):
        verbs.setdefault(f"{resource}.{group}" if group else resource, []).append(verb)
    yield from (f"{', '.join(each)} {resource}" for resource, each in verbs.items())


def rules_review(namespace: str) -> Object:
    """Ask for all rules of a namespace at once."""
    return {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": namespace}}


def access_review(permission: Permission, namespace: str) -> Object:
    resource, _, subresource = permission.resource.partition("/")
    attributes = {"group": permission.group, "resource": resource, "subresource": subresource, "verb": permission.verb}
    if permission.namespaced:
        attributes["namespace"] = namespace
    return {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": attributes}}
