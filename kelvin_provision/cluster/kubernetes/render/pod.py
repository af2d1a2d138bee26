"""Renders the pod of a workload: one container with its ports, variables, resources and probes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kelvin_provision.cluster.kubernetes.render import placing
from kelvin_provision.cluster.kubernetes.render.objects import Context, digest, labels
from kelvin_provision.cluster.kubernetes.render.volumes import Files
from kelvin_provision.cluster.labels import SPEC_HASH
from kelvin_provision.cluster.quantities import kubernetes_spelling
from kelvin_provision.spec.enums import ProbeKind, VolumeKind
from kelvin_provision.spec.workload import Object, Port, Probe, Resources, Spec

PRE_STOP_SECONDS = 5
"""Delay of SIGTERM: kube-proxy learns later than the kubelet that a pod is being deleted, and still routes clients to it."""

STOP_SECONDS = 30
"""Seconds from SIGTERM to SIGKILL, as by default in Kubernetes. The preStop hook is part of the grace period, so it is added."""

EXEC_SLEEP = {"exec": {"command": ["sleep", str(PRE_STOP_SECONDS)]}}
"""For Kubernetes without `preStop.sleep`. In an image without `sleep` it fails at once with an event, and does no other harm."""


def template(spec: Spec, image: str, files: Files, context: Context, pull_secrets: list[str]) -> Object:
    """The annotations have a hash of the template, which distinguishes pods of different versions."""
    pod: Object = {
        "automountServiceAccountToken": False,
        "containers": [container(spec, image, files, context)],
        "volumes": files.volumes,
    }
    if _has_pre_stop(spec):
        pod["terminationGracePeriodSeconds"] = PRE_STOP_SECONDS + STOP_SECONDS
    if pull_secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in pull_secrets]
    on_disk = any(volume.kind is VolumeKind.HOST for volume in spec.system.volumes)
    if selector := placing.node_selector(spec, [image], context, at_home=on_disk):
        pod["nodeSelector"] = selector
    metadata = {"labels": labels(spec), "annotations": _metrics(spec)}
    metadata["annotations"][SPEC_HASH] = digest([metadata, pod])
    return {"metadata": metadata, "spec": pod}


def container(spec: Spec, image: str, files: Files, context: Context) -> Object:
    system = spec.system
    result: Object = {
        "name": spec.name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "env": _environment(spec, files, context),
        "volumeMounts": files.mounts,
    }
    if system.ports:
        result["ports"] = _ports(system.ports)
    if resources := _resources(system.resources):
        result["resources"] = resources
    if system.privileged:
        result["securityContext"] = {"privileged": True}
    if system.liveness:
        result["livenessProbe"] = probe(system.liveness) | {"successThreshold": 1}  # the API allows no other value
    if system.readiness:
        result["readinessProbe"] = probe(system.readiness)
    if _has_pre_stop(spec):
        result["lifecycle"] = {"preStop": {"sleep": {"seconds": PRE_STOP_SECONDS}} if context.has_sleep else EXEC_SLEEP}
    return result


def _ports(ports: Sequence[Port]) -> list[Object]:
    """One entry for each port of the container: it is their key in server-side apply, and several services may lead to one port."""
    entries: dict[tuple[int, str], Object] = {}
    for port in ports:
        entry = entries.setdefault((port.container_port, port.protocol), {"containerPort": port.container_port, "protocol": port.protocol})
        if port.host_port:
            entry["hostPort"] = port.host_port
    return list(entries.values())


def _has_pre_stop(spec: Spec) -> bool:
    """False with Recreate: no other pod answers meanwhile, so a hook would only prolong the interruption."""
    return any(port.service_port for port in spec.system.ports) and not why_recreate(spec)


def why_recreate(spec: Spec) -> str:
    """Name what two pods of this workload cannot share; empty if they can run side by side."""
    ports = [port.name for port in spec.system.ports if port.host_port]
    persistent = [volume.name for volume in spec.system.volumes if volume.kind is VolumeKind.PERSISTENT]
    reasons = [f"host port {name}" for name in ports] + [f"persistent volume {name}" for name in persistent]
    return ", ".join(reasons)


def _environment(spec: Spec, files: Files, context: Context) -> list[Object]:
    cluster = context.cluster_name or spec.cluster_name
    defaults = {"KELVIN_WORKLOAD_NAME": spec.name, "KELVIN_APP_NAME": spec.app_name, "KELVIN_CLUSTER_NAME": cluster}
    requested = {variable.name: variable.value for variable in spec.system.environment}
    variables: list[Object] = []
    for name, value in (defaults | requested).items():
        source = files.secret_variables.get(name)
        variables.append({"name": name, "valueFrom": source} if source else {"name": name, "value": value})
    return variables


def _resources(resources: Resources) -> dict[str, dict[str, str]]:
    pairs: dict[str, dict[str, str | None]] = {
        "requests": {"cpu": resources.cpu_request, "memory": resources.memory_request},
        "limits": {"cpu": resources.cpu_limit, "memory": resources.memory_limit},
    }
    filled = {group: {key: kubernetes_spelling(value) for key, value in pair.items() if value} for group, pair in pairs.items()}
    return {group: pair for group, pair in filled.items() if pair}


def probe(spec: Probe) -> dict[str, Any]:
    handler: dict[str, Any]
    if spec.kind is ProbeKind.HTTP:
        get: dict[str, Any] = {"path": spec.path, "port": spec.port, "scheme": spec.scheme}
        if spec.headers:
            get["httpHeaders"] = [{"name": name, "value": value} for name, value in spec.headers]
        handler = {"httpGet": get}
    elif spec.kind is ProbeKind.TCP:
        handler = {"tcpSocket": {"port": spec.port}}
    else:
        handler = {"exec": {"command": list(spec.command)}}
    return handler | {
        "initialDelaySeconds": spec.initial_delay,
        "periodSeconds": spec.period,
        "timeoutSeconds": spec.timeout,
        "failureThreshold": spec.failure_threshold,
        "successThreshold": spec.success_threshold,
    }


def _metrics(spec: Spec) -> dict[str, str]:
    if spec.system.metrics is None:
        return {}
    port, path = spec.system.metrics
    return {"prometheus.io/scrape": "true", "prometheus.io/port": str(port), "prometheus.io/path": path}
