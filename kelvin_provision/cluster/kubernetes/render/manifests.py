"""Kubernetes objects of a request: unchanged but for images, pull policy, labels, namespace and defaults that must be written."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence

from kelvin_provision.cluster.kubernetes.render.objects import CLUSTER_SCOPED, HOSTNAME, Context, containers_of, digest, template_of
from kelvin_provision.cluster.kubernetes.render.secrets import pull_secret_name, registries_of
from kelvin_provision.cluster.labels import OWNER, SPEC_HASH
from kelvin_provision.cluster.plan import describe
from kelvin_provision.errors import ReferenceInvalid
from kelvin_provision.refs import Reference
from kelvin_provision.spec import images
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.references import references_in
from kelvin_provision.spec.workload import Object, Spec


def prepare(spec: Spec, locks: Sequence[ImageLock], context: Context) -> tuple[list[Object], list[str]]:
    """Copies that can be applied, and every reason why one cannot."""
    objects: list[Object] = []
    findings: list[str] = []
    for given in flatten(spec.manifests):
        if given.get("kind") == "Namespace" and describe(given) == f"Namespace/{context.namespace}":
            continue  # created where it is missing, and never ours to delete
        findings += refusals(given, context)
        item = copy.deepcopy(given)
        if locks:
            item, missing = with_images(item, lambda image: pinned_image(image, locks))
            findings += [f"{describe(item)}: {image} is not staged" for image in missing]
        write_defaults(item, spec.name)
        template = template_of(item)
        if template is not None:
            _prepare_template(template, item, spec, context)
        objects.append(item)
    return objects, findings


def flatten(objects: Sequence[Object]) -> Iterator[Object]:
    """The items of lists in place of the lists."""
    for item in objects:
        if str(item.get("kind", "")).endswith("List") and isinstance(item.get("items"), list):
            yield from flatten(item["items"])
        else:
            yield item


def refusals(item: Object, context: Context) -> list[str]:
    """Why we will not apply an object."""
    name, metadata = describe(item), item.get("metadata") or {}
    findings = []
    if not item.get("apiVersion") or not item.get("kind"):
        findings.append(f"{name}: apiVersion and kind are required")
    if not metadata.get("name"):
        findings.append(f"{name}: metadata.name is required; an object with a generated name cannot be updated")
    if item.get("kind") == "Namespace":
        findings.append(f"{name}: all objects go to namespace {context.namespace}; remove this object")
    namespace = metadata.get("namespace")
    if namespace and namespace != context.namespace and item.get("kind") not in CLUSTER_SCOPED:
        findings.append(f"{name}: all objects go to namespace {context.namespace}; remove metadata.namespace ({namespace})")
    if item.get("kind") == "ConfigMap" and any(references_in(item)):
        findings.append(f"{name}: a ConfigMap must not refer to secrets; use a Secret")
    return findings


def pinned_image(image: str, locks: Sequence[ImageLock]) -> str:
    """The lock's reference for an image as the request has it; empty where it is not staged."""
    reference = Reference.parse(image)
    return next((lock.pinned_reference for lock in locks if lock.reference == reference), "")


def with_images(item: Object, replace: Callable[[str], str]) -> tuple[Object, list[str]]:
    """A copy with every image replaced and pulled only where it is missing; and the images without a replacement."""
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
    return copied, missing


def write_defaults(item: Object, workload: str) -> None:
    """Write, in place, what server-side apply cannot leave to the server's defaults."""
    spec = item.get("spec") or {}
    if item.get("kind") == "Service":
        for port in spec.get("ports") or ():
            port.setdefault("protocol", "TCP")
    if item.get("kind") == "Deployment":
        strategy = spec.setdefault("strategy", {})
        if strategy.get("rollingUpdate", {}) is None:
            del strategy["rollingUpdate"]
        if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
            rolling = strategy.setdefault("rollingUpdate", {})
            rolling.setdefault("maxSurge", "25%")
            rolling.setdefault("maxUnavailable", "25%")
    if item.get("kind") == "StatefulSet":
        for claim in spec.get("volumeClaimTemplates") or ():
            claim.setdefault("metadata", {}).setdefault("labels", {})[OWNER] = workload


def _prepare_template(template: Object, item: Object, spec: Spec, context: Context) -> None:
    """In place: our label, this node, the pull secrets, and last the hash of it all."""
    pod = template.setdefault("spec", {})
    if spec.method.staged and context.node_name:
        pod["nodeSelector"] = {HOSTNAME: context.node_name} | (pod.get("nodeSelector") or {})
    pulls = [{"name": pull_secret_name(spec.name, host)} for host in sorted(registries_of(item) & context.pull_hosts)]
    if pulls:
        pod["imagePullSecrets"] = [*(pod.get("imagePullSecrets") or ()), *pulls]
    metadata = template["metadata"] = template.get("metadata") or {}
    metadata["labels"] = (metadata.get("labels") or {}) | {OWNER: spec.name}
    if template is not item:
        metadata["annotations"] = (metadata.get("annotations") or {}) | {SPEC_HASH: digest(template)}
