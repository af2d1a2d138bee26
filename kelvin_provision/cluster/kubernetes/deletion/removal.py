"""Deletes objects of a workload in the reverse order of applying, and waits until they are gone.

A custom resource may have a finalizer, which its controller removes. The controller is therefore deleted after it, and not at all while it
is there. CustomResourceDefinitions and namespaces go last, unless objects of others would go with them. The record of kinds goes at the
very end, so that a call that ended early can be repeated.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from kelvin_provision.cluster.kubernetes import inventory, namespaces
from kelvin_provision.cluster.kubernetes.api import webhooks
from kelvin_provision.cluster.kubernetes.api.errors import Rejected, WebhookFailed
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.render.objects import CUSTOM, REGISTRATIONS, Key, defined_kinds, keys_of, namespace_of, owner, rank
from kelvin_provision.cluster.kubernetes.render.waves import FOUNDATIONS
from kelvin_provision.cluster.plan import describe
from kelvin_provision.errors import RemovalUnfinished
from kelvin_provision.spec.workload import Object

TICK = 0.25
LOOKS = 4
"""A look at what is left is followed by a pause of this many times its own length, at least."""
POD_GRACE = 30
"""Seconds that a pod has to end by itself, unless it says otherwise."""

Kept = Mapping[Key, str]
"""What is not deleted, and why."""


def remove(api: Api, home: str, workload: str, *, timeout: float) -> tuple[str, ...]:
    """See protocol.Cluster.remove."""
    owned = list(reversed(inventory.owned(api, home, workload)))
    foundations = [item for item in owned if item["kind"] in FOUNDATIONS]
    kept = _used_definitions(api, foundations, workload)
    deleted = _delete_customs(api, home, owned)
    _wait_until_gone(workload, timeout, lambda: [item for item in inventory.owned(api, home, workload) if rank(item) == CUSTOM])
    deleted += _delete(api, home, [item for item in owned if rank(item) < CUSTOM and item not in foundations])
    # Also for what an interrupted call has deleted.
    _wait_until_gone(workload, timeout, lambda: [item for item in _left(api, home, workload) if item["kind"] not in FOUNDATIONS])
    kept = {**kept, **_used_namespaces(api, foundations)}
    deleted += _delete(api, home, [item for item in foundations if Key.of(item) not in kept])
    _wait_until_gone(workload, timeout, lambda: [item for item in _left(api, home, workload) if Key.of(item) not in kept])
    inventory.delete_record(api, home, workload)
    return (*deleted, *(f"{describe(item)} (kept: {kept[Key.of(item)]})" for item in foundations if Key.of(item) in kept))


def delete_customs(api: Api, home: str, workload: str, objects: Sequence[Object], *, timeout: float) -> None:
    """Delete custom resources that are not in `objects`, and wait until they are gone: their controller may be replaced next."""
    items = inventory.prunable(inventory.owned(api, home, workload, objects), objects)
    customs = {Key.of(item) for item in items if rank(item) == CUSTOM}
    _delete_customs(api, home, [item for item in items if rank(item) >= REGISTRATIONS])
    if customs:
        _wait_until_gone(workload, timeout, lambda: [item for item in inventory.owned(api, home, workload) if Key.of(item) in customs])


def prune(api: Api, home: str, workload: str, objects: Sequence[Object], *, timeout: float) -> None:
    """Delete what is not in `objects` and holds no data. Custom resources go first, and are waited for if anything follows."""
    items = inventory.prunable(inventory.owned(api, home, workload, objects), objects)
    others = [item for item in items if rank(item) != CUSTOM]
    if others and len(others) < len(items):
        delete_customs(api, home, workload, objects, timeout=timeout)
    else:
        _delete_customs(api, home, items)
    _delete(api, home, others)


def prune_foundations(api: Api, home: str, workload: str, objects: Sequence[Object], *, timeout: float) -> None:
    """Delete definitions and namespaces that are not in `objects` and of which nothing is left, so that no data can go with them."""
    keys = keys_of(objects)
    owned = [item for item in inventory.owned(api, home, workload, objects) if item["kind"] in FOUNDATIONS and Key.of(item) not in keys]
    definitions = [item for item in owned if item["kind"] == "CustomResourceDefinition" and not _customs(api, item)]
    used = _used_namespaces(api, owned)
    empty = [*definitions, *(item for item in owned if item["kind"] == "Namespace" and Key.of(item) not in used)]
    gone = {Key.of(item) for item in empty}
    _delete(api, home, empty)
    if gone:
        _wait_until_gone(workload, timeout, lambda: [item for item in inventory.owned(api, home, workload) if Key.of(item) in gone])


def delete(api: Api, home: str, item: Object) -> bool:
    """Delete exactly this object, by its uid. Returns False if it is gone or already being deleted."""
    key, metadata = Key.of(item), item["metadata"]
    if metadata.get("deletionTimestamp"):
        return False
    return api.delete(key.api_version, key.kind, key.name, namespace_of(item) or home, uid=metadata["uid"])


def _delete(api: Api, home: str, items: Sequence[Object]) -> list[str]:
    return [describe(item) for item in items if delete(api, home, item)]


def _delete_customs(api: Api, home: str, items: Sequence[Object]) -> list[str]:
    """One of our webhooks whose pods are gone is deleted before the objects that it checks: it would block their deletion."""
    registrations = [item for item in items if rank(item) == REGISTRATIONS]
    deleted: list[str] = []
    for item in items:
        if rank(item) != CUSTOM:
            continue
        try:
            deleted += _delete(api, home, [item])
        except WebhookFailed:
            deleted += _delete(api, home, registrations)
            registrations = []
            deleted += webhooks.retried(lambda item=item: _delete(api, home, [item]))  # type: ignore[misc]
    return deleted


def _customs(api: Api, definition: Object) -> list[Object]:
    """Each served version has all of them. None of a definition that was never established: its kind is not known."""
    live = api.get(definition["apiVersion"], definition["kind"], definition["metadata"]["name"]) or {}
    for version, kind in defined_kinds(live):
        try:
            return api.list_objects(version, kind, None, metadata=True)
        except Rejected as error:
            if error.code not in {"unknown-kind", "missing"}:
                raise
    return []


def _used_definitions(api: Api, foundations: Sequence[Object], workload: str) -> Kept:
    """CustomResourceDefinitions with objects that are not ours: deleting one deletes all objects of its kind.

    Raises Rejected, before anything is deleted, where another workload has some: it would be left without its controller as well.
    """
    kept = {}
    for item in foundations:
        if item["kind"] != "CustomResourceDefinition":
            continue
        customs = _customs(api, item)
        others = sorted({f"{describe(custom)} of workload {owner(custom)}" for custom in customs if owner(custom) not in {None, workload}})
        if others:
            raise Rejected("in-use", f"{describe(item)} is used by {', '.join(others)}; undeploy that first. Nothing was removed")
        strangers = sorted({describe(custom) for custom in customs if owner(custom) is None})
        if strangers:
            kept[Key.of(item)] = f"{namespaces.listed(strangers)} would be deleted with it"
    return kept


def _used_namespaces(api: Api, foundations: Sequence[Object]) -> Kept:
    """Namespaces with objects of others; to be asked when ours are gone."""
    kept = {}
    for item in foundations:
        if item["kind"] == "Namespace" and not item["metadata"].get("deletionTimestamp"):
            objects = namespaces.tenants(api, item["metadata"]["name"])
            if objects:
                kept[Key.of(item)] = f"{namespaces.listed(objects)} would be deleted with it"
    return kept


def _wait_until_gone(workload: str, timeout: float, left: Callable[[], Sequence[Object]]) -> None:
    """Raises RemovalUnfinished with the names of what hangs. A pod with a longer grace period than usual is given it."""
    began = looked = time.monotonic()
    while items := left():
        grace = max(item["metadata"].get("deletionGracePeriodSeconds") or 0 for item in items)
        if time.monotonic() - began > timeout + max(grace - POD_GRACE, 0):
            raise RemovalUnfinished(
                f"{workload}: still being deleted: {', '.join(describe(item) for item in items)}",
                evidence=[_why(item) for item in items],
            )
        # Of many workloads that go side by side each looks less often, so that a small API server is not kept busy with looks.
        time.sleep(max(TICK, LOOKS * (time.monotonic() - looked)))
        looked = time.monotonic()


def _left(api: Api, home: str, workload: str) -> list[Object]:
    places = inventory.namespaces(api, home, workload)
    kinds = (("v1", "Pod"), ("v1", "PersistentVolumeClaim"))
    made = [item for kind in kinds for item in inventory.of_workload(api, home, workload, kind, metadata=True, at=places)]
    return list({Key.of(item): item for item in (*inventory.owned(api, home, workload), *made)}.values())


def _why(item: Object) -> str:
    metadata = item["metadata"]
    finalizers = ", ".join(metadata.get("finalizers") or ())
    since = metadata.get("deletionTimestamp")
    state = f"being deleted since {since}" if since else "not being deleted"
    return f"{describe(item)}: {state}" + (f", held by finalizer {finalizers}" if finalizers else "")
