"""Prepares the manifests of a request. Only images, pull policies, labels, namespaces, references to them and some defaults are changed."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence

from kelvin_provision.cluster.kubernetes.render import namespaces, placing
from kelvin_provision.cluster.kubernetes.render.objects import Context, containers_of, digest, image_volumes_of, template_of
from kelvin_provision.cluster.kubernetes.render.secrets import pull_secret_name, registries_of
from kelvin_provision.cluster.labels import HOME, OWNER, SPEC_HASH
from kelvin_provision.cluster.plan import describe
from kelvin_provision.errors import ReferenceInvalid
from kelvin_provision.refs import Reference
from kelvin_provision.spec import images
from kelvin_provision.spec.kinds.cleaning import without_nulls
from kelvin_provision.spec.kinds.lists import is_list, with_kind_of
from kelvin_provision.spec.kinds.shapes import misshapes, quantities_as_text
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.references import references_in
from kelvin_provision.spec.workload import Object, Spec


def prepare(spec: Spec, locks: Sequence[ImageLock], context: Context) -> tuple[list[Object], list[str]]:
    """Return copies that can be applied, and every reason why an object cannot."""
    objects: list[Object] = []
    findings: list[str] = []
    for accepted in flatten(spec.manifests):
        given = quantities_as_text(without_nulls(accepted))  # an earlier version of this program kept nulls and did not look at shapes
        wrong = [f"{describe(given)}: {misshape}" for misshape in misshapes(given) if not misshape.missing]
        if wrong:
            findings += wrong
            continue
        if given.get("kind") == "Namespace" and describe(given) == f"Namespace/{context.namespace}":
            continue  # we create it if it is missing, and never delete it
        findings += refusals(given)
        item = copy.deepcopy(given)
        if locks:
            item, missing = with_images(item, lambda image: pinned_image(image, locks))
            findings += [f"{describe(item)}: {image} is not staged" for image in missing]
        marks = marks_of(item, spec.name, context.namespace)
        write_defaults(item, marks)
        template = template_of(item)
        if template is not None:
            _prepare_template(template, item, spec, context, marks)
        objects.append(item)
    return namespaces.completed(objects, context.namespace), findings


def marks_of(item: Object, workload: str, home: str) -> dict[str, str]:
    """The labels by which we recognize what a controller makes of the object: pods and claims."""
    namespace = (item.get("metadata") or {}).get("namespace") or home
    return {OWNER: workload} | ({HOME: home} if namespace != home else {})


def flatten(objects: Sequence[Object]) -> Iterator[Object]:
    """Replace lists by their items."""
    for item in objects:
        if is_list(item):
            yield from flatten([with_kind_of(item, inner) for inner in item.get("items") or ()])
        else:
            yield item


def refusals(item: Object) -> list[str]:
    """Explain why an object cannot be applied."""
    name, metadata = describe(item), item.get("metadata") or {}
    findings = []
    if not item.get("apiVersion") or not item.get("kind"):
        findings.append(f"{name}: apiVersion and kind are required")
    if not metadata.get("name"):
        findings.append(f"{name}: metadata.name is required; an object with a generated name cannot be updated")
    if item.get("kind") == "ConfigMap" and any(references_in(item)):
        findings.append(f"{name}: a ConfigMap must not refer to secrets; use a Secret")
    return findings


def pinned_image(image: str, locks: Sequence[ImageLock]) -> str:
    """Return the pinned reference of an image in the request; empty if it is not staged."""
    reference = Reference.parse(image)
    return next((lock.pinned_reference for lock in locks if lock.reference == reference), "")


def with_images(item: Object, replace: Callable[[str], str]) -> tuple[Object, list[str]]:
    """Return a copy with all images replaced and pulled only if missing, and the images that have no replacement."""
    missing = []

    def replace_or_note(image: str) -> str:
        try:
            replacement = replace(image)
        except ReferenceInvalid:
            replacement = ""
        if not replacement:
            missing.append(image)
        return replacement or image

    copied = images.with_images(item, replace_or_note)
    for container in containers_of(template_of(copied) or {}):
        container["imagePullPolicy"] = "IfNotPresent"
    for volume in image_volumes_of(template_of(copied) or {}):
        volume["image"]["pullPolicy"] = "IfNotPresent"
    return copied, missing


def write_defaults(item: Object, marks: Mapping[str, str]) -> None:
    """Set, in place, defaults that server-side apply requires, and the labels of claims."""
    spec = item.get("spec") or {}
    if item.get("kind") == "Service":
        for port in spec.get("ports") or ():
            port.setdefault("protocol", "TCP")
    if item.get("kind") == "Deployment":
        strategy = spec.setdefault("strategy", {})
        if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
            rolling = strategy.setdefault("rollingUpdate", {})
            rolling.setdefault("maxSurge", "25%")
            rolling.setdefault("maxUnavailable", "25%")
    if item.get("kind") == "StatefulSet":
        for claim in spec.get("volumeClaimTemplates") or ():
            claim.setdefault("metadata", {}).setdefault("labels", {}).update(marks)


def _prepare_template(template: Object, item: Object, spec: Spec, context: Context, marks: Mapping[str, str]) -> None:
    """Add, in place, our labels, the node, pull secrets, and last the hash of all."""
    pod = template.setdefault("spec", {})
    names = [str(slot.image) for slot in images.slots(item)]
    if selector := placing.node_selector(spec, names, context, at_home=placing.is_bound_to_its_disk(item)):
        pod["nodeSelector"] = selector | (pod.get("nodeSelector") or {})
    pulls = [{"name": pull_secret_name(spec.name, host)} for host in sorted(registries_of(item) & context.pull_hosts)]
    if pulls:
        pod["imagePullSecrets"] = [*(pod.get("imagePullSecrets") or ()), *pulls]
    metadata = template["metadata"] = template.get("metadata") or {}
    metadata["labels"] = {**(metadata.get("labels") or {}), **marks}
    if template is not item:
        metadata["annotations"] = (metadata.get("annotations") or {}) | {SPEC_HASH: digest(template)}
