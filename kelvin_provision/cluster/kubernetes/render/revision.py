"""The objects of one revision (DESIGN section 6). Pure: the same request on the same cluster gives the same documents."""

from __future__ import annotations

from collections.abc import Sequence

from kelvin_provision.cluster.kubernetes.render import manifests, pod, volumes
from kelvin_provision.cluster.kubernetes.render.objects import Context, rank, stamped
from kelvin_provision.cluster.labels import OWNER
from kelvin_provision.errors import RequestRefused
from kelvin_provision.refs import Reference
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.workload import Object, Port, Spec

HISTORY = 2
PROGRESS_DEADLINE = 600


def render(spec: Spec, locks: Sequence[ImageLock], revision: int, context: Context) -> tuple[Object, ...]:
    """Everything that the revision is made of, in the order of applying. Raises RequestRefused with every finding."""
    findings = []
    if spec.node_name and context.node_name and spec.node_name != context.node_name:
        findings.append(f"node_name: {spec.node_name} is another computer, this one is {context.node_name}")
    if spec.manifests:
        found, more = manifests.prepared(spec, locks, context)
    else:
        found, more = _rendered(spec, locks, context)
    findings += more
    if findings:
        raise RequestRefused(f"{spec.name}: this cannot be put on Kubernetes as it is", evidence=findings)
    hosts = sorted({host for item in found for host in manifests.hosts_of(item)} & context.pull_hosts)
    found = [*(pull_secret(spec.name, host) for host in hosts), *found]
    return tuple(sorted((stamped(item, spec, revision, context.namespace) for item in found), key=rank))


def _rendered(spec: Spec, locks: Sequence[ImageLock], context: Context) -> tuple[list[Object], list[str]]:
    files = volumes.collect(spec)
    image = manifests.pinned(spec.image, locks) if locks else spec.image
    if not image:
        files.findings.append(f"image: {spec.image} was not staged")
    host = Reference.parse(spec.image).host
    pulls = [manifests.pull_secret_name(spec.name, host)] if host in context.pull_hosts else []
    template = pod.template(spec, image, files, context, pulls)
    return [*files.objects, *services(spec), deployment(spec, template, context)], files.findings


def deployment(spec: Spec, template: Object, context: Context) -> Object:
    """One Deployment. Side by side where that can work, one after the other where it cannot."""
    body: Object = {
        "replicas": 1,
        "minReadySeconds": context.settle,
        "progressDeadlineSeconds": PROGRESS_DEADLINE + context.settle,
        "revisionHistoryLimit": HISTORY,
        "selector": {"matchLabels": {OWNER: spec.name}},
        "strategy": {"type": "Recreate"}
        if pod.why_recreate(spec)
        else {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "template": template,
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": spec.name}, "spec": body}


def services(spec: Spec) -> list[Object]:
    """A service inside the cluster, and another with node ports when only some of the ports are exposed."""
    ports = [port for port in spec.system.ports if port.service_port]
    exposed = [port for port in ports if port.exposed]
    if not ports:
        return []
    if len(exposed) == len(ports):
        return [_service(spec, spec.name, ports, "NodePort")]
    inside = [_service(spec, spec.name, ports, "ClusterIP")]
    return inside + ([_service(spec, f"{spec.name}-exposed", exposed, "NodePort")] if exposed else [])


def _service(spec: Spec, name: str, ports: Sequence[Port], kind: str) -> Object:
    entries = []
    for port in ports:
        entry: Object = {"name": port.name, "port": port.service_port, "targetPort": port.container_port, "protocol": port.protocol}
        if kind == "NodePort" and port.exposed_port:
            entry["nodePort"] = port.exposed_port
        entries.append(entry)
    body = {"type": kind, "selector": {OWNER: spec.name}, "ports": entries}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": body}


def pull_secret(workload: str, host: str) -> Object:
    """The registry's login, filled in on the wire."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": manifests.pull_secret_name(workload, host)},
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": f"<% registries.{host} %>"},
    }
