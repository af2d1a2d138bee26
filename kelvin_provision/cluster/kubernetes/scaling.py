"""Numbers of replicas that other clients set on the cluster: kept by an apply and restored by an undo.

An apply of ours would take the field over. So that the next version, which may not set it, does not reset it to 1, the number of an
object that sets none is held by a field manager of its own, as the documentation of server-side apply has it for autoscalers. Where an
autoscaler sets the number, no apply has one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kelvin_provision.cluster.kubernetes import inventory
from kelvin_provision.cluster.kubernetes.api.errors import Rejected
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.deletion.stopping import SCALABLE
from kelvin_provision.cluster.kubernetes.judge.diff import owned_by
from kelvin_provision.cluster.kubernetes.render.objects import namespace_of
from kelvin_provision.cluster.labels import MANAGER, STOPPED
from kelvin_provision.cluster.plan import describe
from kelvin_provision.errors import ClusterDenied
from kelvin_provision.spec.workload import Object

SCALE_MANAGER = f"{MANAGER}-scale"


def changed_scale(applied: Object, live: Object | None) -> int | None:
    """The live number of replicas, or that before a stop; None where it is the one that was applied, or the kind has none. Pure."""
    if live is None or applied["kind"] not in SCALABLE:
        return None
    stopped = (live["metadata"].get("annotations") or {}).get(STOPPED)
    if stopped is not None and not stopped.isdecimal():
        return None
    replicas = int(stopped) if stopped is not None else replicas_of(live)
    return None if replicas == replicas_of(applied) else replicas


def replicas_of(item: Object) -> int:
    """As the server fills it in."""
    replicas = (item.get("spec") or {}).get("replicas")
    return 1 if replicas is None else int(replicas)


def sets_replicas(item: Object) -> bool:
    return item["kind"] in SCALABLE and (item.get("spec") or {}).get("replicas") is not None


def with_replicas(item: Object, replicas: int | None) -> Object:
    """A copy with this number, where the object sets one itself. Pure."""
    return item | {"spec": item["spec"] | {"replicas": replicas}} if replicas is not None and sets_replicas(item) else item


def without_replicas(item: Object) -> Object:
    """A copy that sets no number. Pure."""
    return item | {"spec": {name: value for name, value in item["spec"].items() if name != "replicas"}}


def autoscaled(api: Api, namespace: str, item: Object, live: Object | None) -> int | None:
    """The number of an autoscaler, where `item` sets another one; None where none is at work. It leaves an object with 0 replicas alone."""
    replicas = changed_scale(item, live) if sets_replicas(item) else None
    return replicas if replicas and _has_autoscaler(api, namespace, item) else None


def _has_autoscaler(api: Api, namespace: str, item: Object) -> bool:
    """A server that does not tell, or not us, has none: then the number is what the object says, as before there were autoscalers."""
    target = (item["kind"], item["metadata"]["name"])
    try:
        autoscalers = api.list_objects("autoscaling/v1", "HorizontalPodAutoscaler", namespace_of(item) or namespace)
    except (Rejected, ClusterDenied):
        return False
    references = ((autoscaler.get("spec") or {}).get("scaleTargetRef") or {} for autoscaler in autoscalers)
    return any((reference.get("kind"), reference.get("name")) == target for reference in references)


def applied_by_us(live: Object) -> bool:
    """Whether the number is one that we have applied, and so would go with an apply that has none. Pure."""
    entries = live["metadata"].get("managedFields") or ()
    applied = (entry.get("fieldsV1") or {} for entry in entries if entry.get("manager") == MANAGER and entry.get("operation") == "Apply")
    return any("f:replicas" in fields.get("f:spec", {}) for fields in applied)


def hold_replicas(api: Api, namespace: str, item: Object, live: Object, replicas: int) -> None:
    """Before an apply of `item`, which sets none: have the number stay when our own field goes."""
    if applied_by_us(live):
        metadata = {name: item["metadata"][name] for name in ("name", "namespace") if name in item["metadata"]}
        body: Object = {"apiVersion": item["apiVersion"], "kind": item["kind"], "metadata": metadata, "spec": {"replicas": replicas}}
        api.apply(body, namespace, force=True, manager=SCALE_MANAGER)


def remarks(workload: str, live: Object | None, outcome: Object) -> Iterator[str]:
    """What a person should know of a number that an apply changes. Pure."""
    if live is None or outcome["kind"] not in SCALABLE or STOPPED in (live["metadata"].get("annotations") or {}):
        return
    now, after = replicas_of(live), replicas_of(outcome)
    if now != after:
        yield f"{workload}: {describe(outcome)} has {now} replicas now, {after} after"


def scales(api: Api, namespace: str, objects: Sequence[Object], workload: str) -> dict[str, int]:
    """See protocol.Cluster.scales, of one workload."""
    changed: dict[str, int] = {}
    for item in objects:
        if item["kind"] not in SCALABLE:
            continue
        live = inventory.live(api, namespace, item)
        replicas = changed_scale(item, live) if owned_by(live, workload, item) else None
        if replicas is not None:
            changed[describe(item)] = replicas
    return changed
