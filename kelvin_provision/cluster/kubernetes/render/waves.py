"""The order in which objects are put if some must be up before others. Pure.

Custom resources whose controller or admission webhook is among the same objects are put after the pods of these are up, and so are the
webhooks themselves: the server would refuse every object that they check as long as they do not answer. ADR 0030 explains why.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from kelvin_provision.cluster.kubernetes.render.objects import (
    CUSTOM,
    REGISTERED,
    REGISTRATIONS,
    GroupKind,
    containers_of,
    defined_kinds,
    group_kind,
    namespace_of,
    rank,
    template_of,
)
from kelvin_provision.spec.workload import Object

FOUNDATIONS = frozenset({"Namespace", "CustomResourceDefinition"})
EVERYWHERE = "kube-root-ca.crt"
"""A ConfigMap that the cluster makes in every namespace."""

Desired = Mapping[str, Sequence[Object]]
Reference = tuple[str, str, str]
"""Kind, namespace and name of a Secret or a ConfigMap."""


def waves(desired: Desired) -> tuple[dict[str, tuple[Object, ...]], ...]:
    """Foundations of all workloads, then everything else, then what must wait for the pods of these; one wave if nothing must wait.

    Within a wave, each workload is put in the order of its objects.
    """
    everything = [item for objects in desired.values() for item in objects]
    late = _late(everything) if any(template_of(item) for item in everything) else ()
    of_several = len(desired) > 1 and any(item["kind"] == "CustomResourceDefinition" for item in everything)
    first = [item for item in everything if of_several and item["kind"] in FOUNDATIONS]
    parts = [first, [item for item in everything if not _is_in(item, first) and not _is_in(item, late)], late]
    return tuple(_by_workload(desired, part) for part in parts if part) or ({},)


def is_late(item: Object, everything: Sequence[Object]) -> bool:
    """Whether it is put in the last wave of these objects."""
    return _is_in(item, _late(everything))


def _by_workload(desired: Desired, part: Collection[Object]) -> dict[str, tuple[Object, ...]]:
    chosen = {workload: tuple(item for item in objects if _is_in(item, part)) for workload, objects in desired.items()}
    return {workload: objects for workload, objects in chosen.items() if objects}


def _is_in(item: Object, items: Collection[Object]) -> bool:
    return any(item is other for other in items)


def _late(everything: Sequence[Object]) -> list[Object]:
    registrations = [item for item in everything if rank(item) == REGISTRATIONS]
    kinds = {group_kind({"apiVersion": version, "kind": kind}) for item in everything for version, kind in defined_kinds(item)}
    served = {_served(item) for item in registrations}
    checked = [rule for item in registrations for rule in _rules(item)]
    customs = [
        item
        for item in everything
        if rank(item) == CUSTOM
        and (group_kind(item) in kinds or item["apiVersion"] in served or any(_covers(rule, group_kind(item)) for rule in checked))
    ]
    late = [*registrations, *customs]
    return [*late, *_waiting_for(late, everything)] if customs else late


def _waiting_for(late: Sequence[Object], everything: Sequence[Object]) -> Iterator[Object]:
    """Pods that need a Secret or a ConfigMap that is not among the objects: a custom resource may stand for it.

    What the late objects call is up before them all the same: its certificate may come from elsewhere.
    """
    present = {(item["kind"], namespace_of(item), str(item["metadata"]["name"])) for item in everything}
    services = {(service.get("namespace"), service.get("name")) for item in late for service in _services(item)}
    selectors = [
        (namespace_of(item), (item.get("spec") or {}).get("selector") or {})
        for item in everything
        if item["kind"] == "Service" and (namespace_of(item), item["metadata"]["name"]) in services
    ]
    for item in everything:
        template = template_of(item)
        if template is not None and set(_needs(template, namespace_of(item))) - present and not _selected(item, template, selectors):
            yield item


def _selected(item: Object, template: Object, selectors: Sequence[tuple[str, Mapping[str, str]]]) -> bool:
    labels = (template.get("metadata") or {}).get("labels") or {}
    return any(place == namespace_of(item) and selector and selector.items() <= labels.items() for place, selector in selectors)


def _needs(template: Object, namespace: str) -> Iterator[Reference]:
    """Secrets and ConfigMaps without which a pod of the template does not start."""
    spec = template.get("spec") or {}
    sources: list[tuple[str, Any, str]] = []
    for volume in spec.get("volumes") or ():
        parts = [volume, *((volume.get("projected") or {}).get("sources") or ())]
        sources += [("Secret", part.get("secret"), "secretName") for part in parts]
        sources += [("ConfigMap", part.get("configMap"), "name") for part in parts]
    for container in containers_of(template):
        values = [entry.get("valueFrom") or {} for entry in container.get("env") or ()]
        sources += [("Secret", value.get("secretKeyRef"), "name") for value in values]
        sources += [("ConfigMap", value.get("configMapKeyRef"), "name") for value in values]
        sources += [("Secret", entry.get("secretRef"), "name") for entry in container.get("envFrom") or ()]
        sources += [("ConfigMap", entry.get("configMapRef"), "name") for entry in container.get("envFrom") or ()]
    for kind, source, field in sources:
        name = (source or {}).get(field) or (source or {}).get("name")
        if name and name != EVERYWHERE and not source.get("optional"):
            yield kind, namespace, str(name)


def _served(item: Object) -> str:
    """The group version of an aggregated API; empty for others."""
    spec = item.get("spec") or {}
    return f"{spec.get('group')}/{spec.get('version')}" if item["kind"] == "APIService" else ""


def _rules(item: Object) -> Iterator[Mapping[str, Any]]:
    for hook in item.get("webhooks") or () if item["kind"] in REGISTERED else ():
        yield from hook.get("rules") or ()


def _services(item: Object) -> Iterator[Mapping[str, Any]]:
    clients = [(hook.get("clientConfig") or {}) for hook in item.get("webhooks") or ()] + [item.get("spec") or {}]
    yield from (client["service"] for client in clients if isinstance(client.get("service"), dict))


def _covers(rule: Mapping[str, Any], kind: GroupKind) -> bool:
    resources = {str(resource).partition("/")[0] for resource in rule.get("resources") or ()}
    return bool({"*", kind[0]} & set(rule.get("apiGroups") or ())) and bool({"*", plural(kind[1])} & resources)


def plural(kind: str) -> str:
    """The usual plural name of a kind, as client-go guesses it."""
    name = kind.lower()
    if name.endswith(("s", "x", "ch", "sh")):
        return f"{name}es"
    return f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"
