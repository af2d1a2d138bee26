"""Which nodes may run the pods of which objects, so that their images are needed there. Pure.

The scheduler places pods; this says only where it could. What passes by itself or is a person's pause keeps no node out: a node that is
away, under pressure or cordoned is to have the images when it is back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kelvin_provision.cluster.kubernetes.judge.scheduling import CONDITION, selects, taints, untolerated
from kelvin_provision.cluster.kubernetes.render.objects import namespace_of, template_of
from kelvin_provision.cluster.labels import MARK
from kelvin_provision.cluster.nodes import Place
from kelvin_provision.cluster.plan import describe
from kelvin_provision.spec.images import slots
from kelvin_provision.spec.workload import Object

Claim = tuple[str, str]
"""Namespace and name of a claim."""


def places(
    desired: Mapping[str, Sequence[Object]], nodes: Sequence[Object], volumes: Mapping[Claim, Object], home: str
) -> tuple[Place, ...]:
    """`volumes` are those to which claims are bound; the claim of a pod binds the pod to the nodes that its volume can be used on."""
    return tuple(
        Place(
            workload,
            describe(item),
            tuple(dict.fromkeys(str(slot.image) for slot in slots(item))),
            tuple(
                node["metadata"]["name"]
                for node in nodes
                if may_run(node, item, [volumes[key] for key in claims(item, home) if key in volumes])
            ),
            next((key for key in pod.get("nodeSelector") or () if key.startswith(MARK)), ""),
        )
        for workload, objects in desired.items()
        for item in objects
        if (template := template_of(item)) is not None
        for pod in (template.get("spec") or {},)
    )


def may_run(node: Object, item: Object, volumes: Sequence[Object] = ()) -> bool:
    """Whether pods of an object may ever run on a node."""
    pod = _without_marks((template_of(item) or {}).get("spec") or {})
    lasting = _without_conditions(node)
    return (
        selects(lasting, pod)
        and not any(untolerated(lasting, pod, str(item.get("kind"))))
        and all(selects(lasting, _as_affinity(volume)) for volume in volumes)
    )


def claims(item: Object, home: str) -> Iterator[Claim]:
    """The claims that all pods of an object have. Those of a StatefulSet have one each, so they bind none of the others."""
    namespace = namespace_of(item) or home
    for volume in ((template_of(item) or {}).get("spec") or {}).get("volumes") or ():
        name = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if name:
            yield namespace, name


def bound(claims_there: Sequence[Object], volumes: Sequence[Object]) -> dict[Claim, Object]:
    """The volume of each claim that is bound."""
    by_name = {volume["metadata"]["name"]: volume for volume in volumes}
    pairs = ((item["metadata"], (item.get("spec") or {}).get("volumeName")) for item in claims_there)
    return {(metadata.get("namespace", ""), metadata["name"]): by_name[name] for metadata, name in pairs if name in by_name}


def _as_affinity(volume: Object) -> dict[str, Any]:
    """A pod that the volume's node affinity would keep to the same nodes."""
    required = ((volume.get("spec") or {}).get("nodeAffinity") or {}).get("required")
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}} if required else {}


def _without_marks(pod: Mapping[str, Any]) -> dict[str, Any]:
    selector = pod.get("nodeSelector") or {}
    return {**pod, "nodeSelector": {key: value for key, value in selector.items() if not key.startswith(MARK)}}


def _without_conditions(node: Object) -> Object:
    lasting = [taint for taint in taints(node) if not str(taint["key"]).startswith(CONDITION)]
    return {**node, "spec": {"taints": lasting}}
