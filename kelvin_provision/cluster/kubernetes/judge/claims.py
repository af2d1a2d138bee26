"""Sizes of volume claims: a claim can grow and never shrink, so the larger of the live and the desired size is what is sent. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kelvin_provision.cluster.plan import describe
from kelvin_provision.cluster.quantities import parse
from kelvin_provision.spec.workload import Object

CLAIM = "PersistentVolumeClaim"
SIZE = "spec.resources.requests.storage"


def never_shrunk(item: Object, live: Object | None) -> Object:
    """The object with claims at least as large as the live ones. A copy where something changes, otherwise the object itself."""
    if live is None:
        return item
    if item["kind"] == CLAIM:
        return _at_least(item, live)
    spec = item.get("spec") or {}
    if item["kind"] != "StatefulSet" or not spec.get("volumeClaimTemplates"):
        return item
    old = {_name(template): template for template in (live.get("spec") or {}).get("volumeClaimTemplates") or ()}
    templates = [_at_least(template, old.get(_name(template), template)) for template in spec["volumeClaimTemplates"]]
    return item | {"spec": spec | {"volumeClaimTemplates": templates}}


def remarks(workload: str, item: Object, live: Object | None) -> Iterator[str]:
    """What a person should know of claims whose size differs from the desired one. The server refuses a template that grows."""
    for name, before, after in _sizes(item, live):
        if smaller(before, after) and item["kind"] == CLAIM:
            yield f"{workload}: {name} grows from {before} to {after}; this cannot be undone"
        elif smaller(after, before):
            yield f"{workload}: {name} keeps {before}: a claim cannot shrink to {after}"


def grows_from(item: Object, live: Object | None) -> str:
    """The live size of the first claim, or claim template of a StatefulSet, that is to grow; empty for none."""
    return next((before for _, before, after in _sizes(item, live) if smaller(before, after)), "")


def _sizes(item: Object, live: Object | None) -> Iterator[tuple[str, str, str]]:
    """Yield name, live and desired size of each claim and claim template that is on the cluster."""
    if live is not None and item["kind"] == CLAIM:
        yield describe(item), size(live), size(item)
    if live is not None and item["kind"] == "StatefulSet":
        old = {_name(template): template for template in (live.get("spec") or {}).get("volumeClaimTemplates") or ()}
        for template in (item.get("spec") or {}).get("volumeClaimTemplates") or ():
            name = _name(template)
            yield f"{describe(item)}, claim template {name},", size(old.get(name, template)), size(template)


def size(claim: Object) -> str:
    """The requested size as it is written; empty for none."""
    return str(((((claim.get("spec") or {}).get("resources") or {}).get("requests") or {}).get("storage")) or "")


def smaller(first: str, second: str) -> bool:
    """False where one of them is no quantity: the server judges that."""
    left, right = parse(first), parse(second)
    return left is not None and right is not None and left < right


def _at_least(claim: Object, live: Object) -> Object:
    if not smaller(size(claim), size(live)):
        return claim
    spec: dict[str, Any] = claim["spec"]
    resources: dict[str, Any] = spec["resources"]
    requests = resources["requests"] | {"storage": size(live)}
    return claim | {"spec": spec | {"resources": resources | {"requests": requests}}}


def _name(template: Object) -> str:
    return str((template.get("metadata") or {}).get("name") or "")
