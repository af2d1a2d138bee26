"""Plain Kubernetes objects of a request: as they are, but for images, pull policy, labels, namespace and what must be defaulted."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence

from kelvin_provision.cluster.kubernetes.render.objects import CLUSTER_SCOPED, HOSTNAME, Context, containers_of, digest, short, template_of
from kelvin_provision.cluster.labels import OWNER, SPEC_HASH
from kelvin_provision.cluster.plan import describe
from kelvin_provision.errors import ReferenceInvalid
from kelvin_provision.refs import Reference
from kelvin_provision.spec import images
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.references import references_in
from kelvin_provision.spec.workload import Object, Spec


def prepared(spec: Spec, locks: Sequence[ImageLock], context: Context) -> tuple[list[Object], list[str]]:
    """Copies that can be applied, and what is wrong with them."""
    found: list[Object] = []
    findings: list[str] = []
    for given in flat(spec.manifests):
        if given.get("kind") == "Namespace" and describe(given) == f"Namespace/{context.namespace}":
            continue  # it is made when it is missing, and never ours to delete
        findings += refused(given, context)
        item = copy.deepcopy(given)
        if locks:
            item, missing = with_images(item, lambda image: pinned(image, locks))
            findings += [f"{describe(item)}: {image} was not staged" for image in missing]
        defaulted(item, spec.name)
        template = template_of(item)
        if template is not None:
            _template(template, item, spec, context)
        found.append(item)
    return found, findings


def flat(given: Sequence[Object]) -> Iterator[Object]:
    """Lists opened."""
    for item in given:
        if str(item.get("kind", "")).endswith("List") and isinstance(item.get("items"), list):
            yield from flat(item["items"])
        else:
            yield item


def refused(item: Object, context: Context) -> list[str]:
    """What we will not apply, in words."""
    what, metadata = describe(item), item.get("metadata") or {}
    findings = []
    if not item.get("apiVersion") or not item.get("kind"):
        findings.append(f"{what}: apiVersion and kind are needed")
    if not metadata.get("name"):
        findings.append(f"{what}: metadata.name is needed, a generated name cannot be found again")
    if item.get("kind") == "Namespace":
        findings.append(f"{what}: everything goes to the namespace {context.namespace}; leave this object out")
    elsewhere = metadata.get("namespace")
    if elsewhere and elsewhere != context.namespace and item.get("kind") not in CLUSTER_SCOPED:
        findings.append(f"{what}: namespace {elsewhere} is not ours, everything goes to {context.namespace}; leave metadata.namespace out")
    if item.get("kind") == "ConfigMap" and any(references_in(item)):
        findings.append(f"{what}: a secret does not belong in a ConfigMap; make it a Secret")
    return findings


def pinned(image: str, locks: Sequence[ImageLock]) -> str:
    """What the lock says for an image as the request writes it; empty when it was not staged."""
    wanted = Reference.parse(image)
    return next((lock.pinned_reference for lock in locks if lock.reference == wanted), "")


def with_images(item: Object, replace: Callable[[str], str]) -> tuple[Object, list[str]]:
    """A copy with every image replaced and never pulled when present; and the images that got no replacement."""
    missing = []

    def one(image: str) -> str:
        try:
            found = replace(image)
        except ReferenceInvalid:
            found = ""
        if not found:
            missing.append(image)
        return found or image

    changed = images.with_images(item, one)
    for container in containers_of(template_of(changed) or {}):
        container["imagePullPolicy"] = "IfNotPresent"
    return changed, missing


def hosts_of(item: Object) -> set[str]:
    """The registries that the pods of an object come from."""
    found = set()
    for container in containers_of(template_of(item) or {}):
        try:
            found.add(Reference.parse(str(container.get("image") or "")).host)
        except ReferenceInvalid:
            continue  # the cluster says so itself, in its own words
    return found


def pull_secret_name(workload: str, host: str) -> str:
    """One login for each registry; a host with a port is no name, so its hash stands in."""
    return f"{workload}-pull-{short(host)}"


def defaulted(item: Object, workload: str) -> None:
    """Write what server-side apply needs written (DESIGN section 14)."""
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


def _template(template: Object, item: Object, spec: Spec, context: Context) -> None:
    """Our label on the pods, this node under them, the logins beside them, and the hash of it all."""
    pod = template.setdefault("spec", {})
    if spec.method.staged and context.node_name:
        pod["nodeSelector"] = {HOSTNAME: context.node_name} | (pod.get("nodeSelector") or {})
    pulls = [{"name": pull_secret_name(spec.name, host)} for host in sorted(hosts_of(item) & context.pull_hosts)]
    if pulls:
        pod["imagePullSecrets"] = [*(pod.get("imagePullSecrets") or ()), *pulls]
    metadata = template["metadata"] = template.get("metadata") or {}
    metadata["labels"] = (metadata.get("labels") or {}) | {OWNER: spec.name}
    if template is not item:
        metadata["annotations"] = (metadata.get("annotations") or {}) | {SPEC_HASH: digest(template)}
