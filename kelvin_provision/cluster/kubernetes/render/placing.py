"""To which nodes the pods of a version are kept. Pure."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence

from kelvin_provision.cluster.kubernetes.render.objects import HOSTNAME, Context, template_of
from kelvin_provision.cluster.labels import MARK
from kelvin_provision.cluster.plan import describe
from kelvin_provision.files.hashing import sha256_hex
from kelvin_provision.spec.workload import Object, Spec


def mark_of(images: Iterable[str], home: str) -> str:
    """The label of the nodes that have all of these images."""
    return MARK + sha256_hex("\n".join([home, *sorted(set(images))]).encode())[:16]


def node_selector(spec: Spec, images: Iterable[str], context: Context, *, at_home: bool) -> dict[str, str]:
    """The labels that a node must have for pods with these images.

    `at_home`: they have something on the disk of a node, which is ours unless the request names another one.
    """
    if not context.site:
        return {HOSTNAME: context.node_label} if spec.method.staged and context.node_label else {}
    named = spec.node_name or (context.node_name if at_home and spec.method.staged else "")
    host = context.site.get(named, "") if named else ""
    selector = {HOSTNAME: host} if host else {}
    return selector | ({mark_of(images, context.namespace): context.namespace} if spec.method.staged else {})


def is_bound_to_its_disk(item: Object) -> bool:
    """Whether its pods use folders of a node and say nothing of which one. Those of a DaemonSet are meant to run on every node."""
    pod = (template_of(item) or {}).get("spec") or {}
    if item.get("kind") == "DaemonSet" or pod.get("nodeName") or pod.get("nodeSelector"):
        return False
    if (pod.get("affinity") or {}).get("nodeAffinity"):
        return False
    return any(volume.get("hostPath") for volume in pod.get("volumes") or ())


def refusals(spec: Spec, context: Context) -> Iterator[str]:
    """Why this cluster has no node for it."""
    if not spec.node_name or not context.node_name or spec.node_name == context.node_name:
        return
    if not context.site:
        yield f"node_name: {spec.node_name} is another node; this box is {context.node_name}"
    elif spec.node_name not in context.site:
        yield f"node_name: {spec.node_name} has not joined this site; its nodes are {', '.join(sorted(context.site))}"
    elif not context.site[spec.node_name]:
        yield f"node_name: {spec.node_name} has no label {HOSTNAME} in the cluster, so no pod can be kept to it"


def at_home(objects: Sequence[Object], host: str) -> tuple[list[Object], str]:
    """The objects with their pods kept to our node, and the name of the first one that is kept to another; empty for none."""
    moved: list[Object] = []
    for item in objects:
        changed = copy.deepcopy(item)
        selector = ((template_of(changed) or {}).get("spec") or {}).get("nodeSelector") or {}
        if any(key.startswith(MARK) for key in selector):
            if selector.get(HOSTNAME, host) != host:
                return [], describe(item)
            for key in [key for key in selector if key.startswith(MARK)]:
                del selector[key]
            selector[HOSTNAME] = host
        moved.append(changed)
    return moved, ""
