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
    """What a person should know of a claim whose size differs from the desired one."""
    if item["kind"] != CLAIM or live is None:
        return
    before, after = size(live), size(item)
    if before == after or parse(before) == parse(after):
        return
    if smaller(before, after):
        yield f"{workload}: {describe(item)} grows from {before} to {after}; this cannot be taken back"
    elif smaller(after, before):
        yield f"{workload}: {describe(item)} keeps {before}: a claim cannot shrink to {after}"


def grows(item: Object, live: Object | None) -> bool:
    return item["kind"] == CLAIM and live is not None and smaller(size(live), size(item))


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
