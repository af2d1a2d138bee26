"""The pod of a rehearsal, from a pod template. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator
from typing import Any

from kelvin_provision.cluster.kubernetes.render.objects import containers_of
from kelvin_provision.cluster.rehearsal import NAME_VARIABLE, SUFFIX, RehearsalTerms
from kelvin_provision.spec.workload import Object

HELD_IMAGE = "kelvin-provision.invalid/held-back:rehearsal"
"""The kubelet makes the sandbox of a pod, with its network, before it looks for the image."""

MARGIN = 60
"""Seconds, after which the kubelet ends a pod that was not taken away."""

GRACE = 1

_OF_THE_SITE = (
    "serviceAccountName", "serviceAccount", "priorityClassName", "priority", "preemptionPolicy", "topologySpreadConstraints",
    "hostname", "subdomain", "schedulingGates", "readinessGates", "ephemeralContainers",
)  # fmt: skip
"""What would push running pods aside, reach the API server, answer under the name of a running pod, or wait for a controller."""

_HOST = {"hostNetwork": "the network of the host", "hostPID": "the processes of the host", "hostIPC": "the shared memory of the host"}
_POWERS = frozenset({"ALL", "SYS_ADMIN", "SYS_MODULE", "SYS_RAWIO", "SYS_TIME", "SYS_BOOT", "SYS_PTRACE", "MKNOD", "BPF", "PERFMON"})
"""Capabilities with which a container may change the box."""

_OWN_RESOURCES = ("kubernetes.io/", "hugepages-")

Rename = Callable[[str, str], str]
"""From kind and name of a ConfigMap or Secret to its name in the rehearsal."""


def obstacles(spec: Object) -> Iterator[str]:
    """Why a rehearsal of this pod cannot be kept from what is real."""
    yield from (f"it uses {text}" for key, text in _HOST.items() if spec.get(key))
    if spec.get("resourceClaims"):
        yield "it uses devices (resourceClaims)"
    for container in containers_of({"spec": spec}):
        context = container.get("securityContext") or {}
        if context.get("privileged"):
            yield "it is privileged, so it reaches the devices of the box"
        powers = sorted({str(name).removeprefix("CAP_") for name in (context.get("capabilities") or {}).get("add") or ()} & _POWERS)
        if powers:
            yield f"it has powers over the box (capabilities {', '.join(powers)})"
        resources = container.get("resources") or {}
        names = sorted({*(resources.get("limits") or {}), *(resources.get("requests") or {})})
        yield from (f"it uses the device {name}" for name in names if "/" in name and not name.startswith(_OWN_RESOURCES))


def pod_spec(spec: Object, terms: RehearsalTerms, rename: Rename) -> Object:
    """Without what leads to the site or answers for it. Volumes are not its matter."""
    kept = {key: value for key, value in spec.items() if key not in _OF_THE_SITE}
    if affinity := {key: value for key, value in (kept.pop("affinity", None) or {}).items() if key == "nodeAffinity"}:
        kept["affinity"] = affinity
    groups = {
        key: [_container(container, terms, rename) for container in spec[key]] for key in ("initContainers", "containers") if spec.get(key)
    }
    pulls = [{"name": rename("Secret", pull.get("name", ""))} for pull in spec.get("imagePullSecrets") or ()]
    return (
        kept
        | groups
        | ({"imagePullSecrets": pulls} if pulls else {})
        | ({"volumes": [_volume(volume, rename) for volume in spec["volumes"]]} if spec.get("volumes") else {})
        | {
            "automountServiceAccountToken": False,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": GRACE,
            "activeDeadlineSeconds": math.ceil(terms.policy.timeout + terms.policy.settle) + MARGIN,
        }
    )


def held_back(pod: Object) -> Object:
    """The pod with images that cannot be."""
    spec = pod["spec"]
    groups = {
        key: [container | {"image": HELD_IMAGE} for container in spec[key]] for key in ("initContainers", "containers") if spec.get(key)
    }
    return pod | {"spec": spec | groups}


def release(pod: Object, live: Object) -> list[Object]:
    """The JSON patch that gives the live pod the images of `pod`. Admission may have added containers, so they are found by name."""
    steps: list[Object] = []
    for group in ("initContainers", "containers"):
        images = {container["name"]: container["image"] for container in pod["spec"].get(group) or ()}
        for number, container in enumerate((live.get("spec") or {}).get(group) or ()):
            if container["name"] in images:
                path = f"/spec/{group}/{number}"
                steps.append({"op": "test", "path": f"{path}/name", "value": container["name"]})
                steps.append({"op": "replace", "path": f"{path}/image", "value": images[container["name"]]})
    return steps


def _container(container: Object, terms: RehearsalTerms, rename: Rename) -> Object:
    result = {key: value for key, value in container.items() if key != "lifecycle"}
    if start := {key: value for key, value in (container.get("lifecycle") or {}).items() if key == "postStart"}:
        result["lifecycle"] = start
    if container.get("ports"):
        result["ports"] = [{key: value for key, value in port.items() if key not in {"hostPort", "hostIP"}} for port in container["ports"]]
    if container.get("env"):
        result["env"] = [_variable(variable, rename) for variable in container["env"]]
    if container.get("envFrom"):
        result["envFrom"] = [_referring(source, _SOURCES, rename) for source in container["envFrom"]]
    if not terms.allow_network:
        result["imagePullPolicy"] = "Never"  # it is held back by an image that cannot be, for which no registry is to be asked
    return result


_SOURCES = {"configMapRef": "ConfigMap", "secretRef": "Secret"}
_KEYS = {"configMapKeyRef": "ConfigMap", "secretKeyRef": "Secret"}
_PROJECTED = {"configMap": "ConfigMap", "secret": "Secret"}


def _variable(variable: Object, rename: Rename) -> Object:
    if variable.get("valueFrom"):
        return variable | {"valueFrom": _referring(variable["valueFrom"], _KEYS, rename)}
    if variable.get("name") == NAME_VARIABLE:
        return variable | {"value": f"{variable.get('value') or ''}{SUFFIX}"}
    return variable


def _referring(source: Object, kinds: dict[str, str], rename: Rename) -> Object:
    renamed = {key: source[key] | {"name": rename(kind, source[key].get("name", ""))} for key, kind in kinds.items() if source.get(key)}
    return source | renamed


def _volume(volume: Object, rename: Rename) -> Object:
    if volume.get("configMap"):
        return _referring(volume, {"configMap": "ConfigMap"}, rename)
    if secret := volume.get("secret"):
        return volume | {"secret": secret | {"secretName": rename("Secret", secret.get("secretName", ""))}}
    if projected := volume.get("projected"):
        sources: list[Any] = [_referring(source, _PROJECTED, rename) for source in projected.get("sources") or ()]
        return volume | {"projected": projected | {"sources": sources}}
    return volume


def referenced(spec: Object) -> Collection[tuple[str, str]]:
    """Kind and name of each ConfigMap and Secret that a pod refers to."""
    seen: dict[tuple[str, str], None] = {}

    def note(kind: str, name: str) -> str:
        seen[kind, name] = None
        return name

    pod_spec(spec, RehearsalTerms(), note)
    return seen
