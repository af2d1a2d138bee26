"""The pod of a workload: one container, its ports, variables, resources and probes."""

from __future__ import annotations

from typing import Any

from kelvin_provision.cluster.kubernetes.render.objects import HOSTNAME, Context, digest, labels
from kelvin_provision.cluster.kubernetes.render.volumes import Files
from kelvin_provision.cluster.labels import SPEC_HASH
from kelvin_provision.cluster.quantities import kubernetes_spelling
from kelvin_provision.spec.enums import ProbeKind, VolumeKind
from kelvin_provision.spec.workload import Object, Probe, Resources, Spec

PAUSE = 5
"""Seconds between leaving the service and SIGTERM, so that no client is answered by a socket that is gone."""

GRACE = 30
"""Seconds from SIGTERM to SIGKILL (Kubernetes' own default). The pause counts as part of a pod's grace, so it is added."""


def template(spec: Spec, image: str, files: Files, context: Context, pull_secrets: list[str]) -> Object:
    """The pod template, with the hash of what it says: pods are told apart by it."""
    pod: Object = {
        "automountServiceAccountToken": False,
        "containers": [container(spec, image, files, context)],
        "volumes": files.volumes,
    }
    if _pauses(spec):
        pod["terminationGracePeriodSeconds"] = PAUSE + GRACE
    if pull_secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in pull_secrets]
    if spec.method.staged and context.node_name:  # the images lie on this node only
        pod["nodeSelector"] = {HOSTNAME: context.node_name}
    metadata = {"labels": labels(spec), "annotations": _metrics(spec)}
    metadata["annotations"][SPEC_HASH] = digest([metadata, pod])
    return {"metadata": metadata, "spec": pod}


def container(spec: Spec, image: str, files: Files, context: Context) -> Object:
    """The one container, named like the workload."""
    system = spec.system
    found: Object = {
        "name": spec.name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "env": _environment(spec, files, context),
        "volumeMounts": files.mounts,
    }
    if system.ports:
        found["ports"] = [
            {"containerPort": port.container_port, "protocol": port.protocol} | ({"hostPort": port.host_port} if port.host_port else {})
            for port in system.ports
        ]
    if resources := _resources(system.resources):
        found["resources"] = resources
    if system.privileged:
        found["securityContext"] = {"privileged": True}
    if system.liveness:
        found["livenessProbe"] = probe(system.liveness) | {"successThreshold": 1}  # nothing else is allowed
    if system.readiness:
        found["readinessProbe"] = probe(system.readiness)
    if _pauses(spec):
        # Without a `sleep` in the image the second way is no pause and an event: the container is stopped at once, as without it.
        sleep = {"sleep": {"seconds": PAUSE}} if context.api_sleep else {"exec": {"command": ["sleep", str(PAUSE)]}}
        found["lifecycle"] = {"preStop": sleep}
    return found


def _pauses(spec: Spec) -> bool:
    """Somebody may be asking, and another pod is there to answer; alone, a pause would only make the interruption longer."""
    return any(port.service_port for port in spec.system.ports) and not why_recreate(spec)


def why_recreate(spec: Spec) -> str:
    """Why two pods of this workload cannot run side by side; empty when they can."""
    ports = [port.name for port in spec.system.ports if port.host_port]
    kept = [volume.name for volume in spec.system.volumes if volume.kind is VolumeKind.PERSISTENT]
    reasons = [f"host port {name}" for name in ports] + [f"persistent volume {name}" for name in kept]
    return ", ".join(reasons)


def _environment(spec: Spec, files: Files, context: Context) -> list[Object]:
    cluster = context.cluster_name or spec.cluster_name
    ours = {"KELVIN_WORKLOAD_NAME": spec.name, "KELVIN_APP_NAME": spec.app_name, "KELVIN_CLUSTER_NAME": cluster}
    theirs = {variable.name: variable.value for variable in spec.system.environment}
    found: list[Object] = []
    for name, value in (ours | theirs).items():
        hidden = files.environment.get(name)
        found.append({"name": name, "valueFrom": hidden} if hidden else {"name": name, "value": value})
    return found


def _resources(given: Resources) -> dict[str, dict[str, str]]:
    pairs: dict[str, dict[str, str | None]] = {
        "requests": {"cpu": given.cpu_request, "memory": given.memory_request},
        "limits": {"cpu": given.cpu_limit, "memory": given.memory_limit},
    }
    kept = {group: {key: kubernetes_spelling(value) for key, value in pair.items() if value} for group, pair in pairs.items()}
    return {group: pair for group, pair in kept.items() if pair}


def probe(given: Probe) -> dict[str, Any]:
    """One health check."""
    asked: dict[str, Any]
    if given.kind is ProbeKind.HTTP:
        get: dict[str, Any] = {"path": given.path, "port": given.port, "scheme": given.scheme}
        if given.headers:
            get["httpHeaders"] = [{"name": name, "value": value} for name, value in given.headers]
        asked = {"httpGet": get}
    elif given.kind is ProbeKind.TCP:
        asked = {"tcpSocket": {"port": given.port}}
    else:
        asked = {"exec": {"command": list(given.command)}}
    return asked | {
        "initialDelaySeconds": given.initial_delay,
        "periodSeconds": given.period,
        "timeoutSeconds": given.timeout,
        "failureThreshold": given.failure_threshold,
        "successThreshold": given.success_threshold,
    }


def _metrics(spec: Spec) -> dict[str, str]:
    if spec.system.metrics is None:
        return {}
    port, path = spec.system.metrics
    return {"prometheus.io/scrape": "true", "prometheus.io/port": str(port), "prometheus.io/path": path}
