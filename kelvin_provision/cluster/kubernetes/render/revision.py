"""Renders the objects of one revision. Pure: the same request for the same cluster gives the same objects."""

from __future__ import annotations

from collections.abc import Sequence

from kelvin_provision.cluster.kubernetes.render import manifests, placing, pod, volumes
from kelvin_provision.cluster.kubernetes.render.objects import Context, cluster_kinds_of, namespace_of, rank, with_ownership
from kelvin_provision.cluster.kubernetes.render.secrets import pull_secret, pull_secret_name, registries_of
from kelvin_provision.cluster.labels import OWNER
from kelvin_provision.errors import RequestRefused
from kelvin_provision.refs import Reference
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.workload import Object, Port, Spec

REVISION_HISTORY_LIMIT = 2
PROGRESS_DEADLINE = 600


def render(spec: Spec, locks: Sequence[ImageLock], revision: int, context: Context) -> tuple[Object, ...]:
    """Return all objects in the order of applying. Raises RequestRefused with every finding."""
    findings = list(placing.refusals(spec, context))
    if spec.manifests:
        objects, refusals = manifests.prepare(spec, locks, context)
    else:
        objects, refusals = _render(spec, locks, context)
    findings += refusals
    if findings:
        raise RequestRefused(f"{spec.name}: not possible on Kubernetes", evidence=findings)
    objects = [*_pull_secrets(spec, objects, context), *objects]
    cluster_kinds = {pair for item in objects for pair in cluster_kinds_of(item)}
    return tuple(sorted((with_ownership(item, spec, revision, context.namespace, cluster_kinds) for item in objects), key=rank))


def _pull_secrets(spec: Spec, objects: Sequence[Object], context: Context) -> list[Object]:
    """One for each registry, in each namespace with pods that pull from it."""
    needed = {(namespace_of(item) or context.namespace, host) for item in objects for host in registries_of(item) & context.pull_hosts}
    return [pull_secret(spec.name, host, "" if namespace == context.namespace else namespace) for namespace, host in sorted(needed)]


def _render(spec: Spec, locks: Sequence[ImageLock], context: Context) -> tuple[list[Object], list[str]]:
    files = volumes.collect(spec)
    image = manifests.pinned_image(spec.image, locks) if locks else spec.image
    if not image:
        files.findings.append(f"image: {spec.image} is not staged")
    host = Reference.parse(spec.image).host
    pulls = [pull_secret_name(spec.name, host)] if host in context.pull_hosts else []
    template = pod.template(spec, image, files, context, pulls)
    return [*files.objects, *services(spec), deployment(spec, template, context)], files.findings


def deployment(spec: Spec, template: Object, context: Context) -> Object:
    """Updates are rolling if two pods can run side by side, otherwise Recreate."""
    body: Object = {
        "replicas": 1,
        "minReadySeconds": context.settle,
        "progressDeadlineSeconds": PROGRESS_DEADLINE + context.settle,
        "revisionHistoryLimit": REVISION_HISTORY_LIMIT,
        "selector": {"matchLabels": {OWNER: spec.name}},
        "strategy": {"type": "Recreate"}
        if pod.why_recreate(spec)
        else {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "template": template,
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": spec.name}, "spec": body}


def services(spec: Spec) -> list[Object]:
    """Return one Service, and a second one with node ports if only some of the ports are exposed."""
    ports = [port for port in spec.system.ports if port.service_port]
    exposed = [port for port in ports if port.exposed]
    if not ports:
        return []
    if len(exposed) == len(ports):
        return [_service(spec, spec.name, ports, "NodePort")]
    internal = [_service(spec, spec.name, ports, "ClusterIP")]
    return internal + ([_service(spec, f"{spec.name}-exposed", exposed, "NodePort")] if exposed else [])


def _service(spec: Spec, name: str, ports: Sequence[Port], kind: str) -> Object:
    entries = []
    for port in ports:
        entry: Object = {"name": port.name, "port": port.service_port, "targetPort": port.container_port, "protocol": port.protocol}
        if kind == "NodePort" and port.exposed_port:
            entry["nodePort"] = port.exposed_port
        entries.append(entry)
    body = {"type": kind, "selector": {OWNER: spec.name}, "ports": entries}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": body}
