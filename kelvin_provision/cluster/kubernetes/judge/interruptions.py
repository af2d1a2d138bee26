"""Predicts what clients notice while the pods of an object are replaced. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from kelvin_provision.cluster.kubernetes.judge.ports import port_claims
from kelvin_provision.cluster.kubernetes.render.objects import containers_of, template_of
from kelvin_provision.cluster.kubernetes.render.pod import EXEC_SLEEP
from kelvin_provision.cluster.plan import Interruption
from kelvin_provision.spec.workload import Object


def interruptions(workload: str, item: Object, *, has_service: bool) -> Iterator[Interruption]:
    kind, hooks = item["kind"], pre_stop_hooks(item)
    if recreates(item):
        exclusive = sorted({f"{scope} port {number}" for scope, _, number in port_claims(item)} | set(_persistent_volumes(item)))
        why = f" ({', '.join(exclusive)})" if exclusive else ""
        yield Interruption(workload, f"two pods cannot run side by side{why}")
    elif kind in {"StatefulSet", "DaemonSet"} and ((item.get("spec") or {}).get("updateStrategy") or {}).get("type") == "OnDelete":
        return  # its pods stay as they are
    elif kind in {"StatefulSet", "DaemonSet"}:
        yield Interruption(workload, f"a {kind} stops each old pod before it starts the new one")
    elif kind == "Pod":
        yield Interruption(workload, "a Pod without a controller is changed in place: its containers stop before the new ones start")
    elif kind == "Deployment" and has_service and not hooks:
        yield Interruption(workload, "the old pod has no preStop hook and may stop before its last clients have left", certain=False)
    elif kind == "Deployment" and has_service and EXEC_SLEEP in hooks:
        why = "Kubernetes before 1.30 has no preStop sleep, and the image may have no sleep command"
        yield Interruption(workload, why, certain=False)


def recreates(item: Object) -> bool:
    """Whether the old pods are deleted before new ones are created."""
    return item.get("kind") == "Deployment" and ((item.get("spec") or {}).get("strategy") or {}).get("type") == "Recreate"


def pre_stop_hooks(item: Object) -> list[Object]:
    lifecycles = [container.get("lifecycle") or {} for container in containers_of(template_of(item) or {})]
    return [lifecycle["preStop"] for lifecycle in lifecycles if lifecycle.get("preStop")]


def _persistent_volumes(item: Object) -> Iterator[str]:
    for volume in ((template_of(item) or {}).get("spec") or {}).get("volumes") or ():
        if "persistentVolumeClaim" in volume:
            yield f"persistent volume {volume['persistentVolumeClaim'].get('claimName')}"
