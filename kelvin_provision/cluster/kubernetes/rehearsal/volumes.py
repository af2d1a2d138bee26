"""The volumes of a rehearsal: empty ones in place of what has data, or the real ones to be read only. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from kelvin_provision.cluster.kubernetes.render.objects import containers_of
from kelvin_provision.cluster.rehearsal import is_device, leads_to_sockets
from kelvin_provision.spec.workload import Object

HARMLESS = frozenset({"emptyDir", "configMap", "secret", "downwardAPI", "projected", "image"})
"""They have no data that outlives a pod."""

DEVICE_TYPES = frozenset({"BlockDevice", "CharDevice", "Socket"})
CREATED = {"DirectoryOrCreate": "Directory", "FileOrCreate": "File"}
"""A rehearsal creates nothing on the node."""


def obstacles(spec: Object, *, real: bool) -> Iterator[str]:
    """Devices, and with the real volumes sockets: a socket can be spoken to, however it is mounted."""
    for volume in spec.get("volumes") or ():
        host = volume.get("hostPath") or {}
        path, kind = str(host.get("path") or ""), host.get("type") or ""
        if is_device(path) or kind in DEVICE_TYPES:
            yield f"it uses the device {path}"
        elif real and path and leads_to_sockets(path):
            yield f"its volume {volume.get('name')} leads to sockets of the box ({path}), which are not read-only"
    for container in containers_of({"spec": spec}):
        for device in container.get("volumeDevices") or ():
            yield f"it uses the block device {device.get('name')}"


def with_claims(item: Object, spec: Object) -> Object:
    """The pod of a StatefulSet has a volume for each of its claim templates; the first pod's is meant."""
    templates = (item.get("spec") or {}).get("volumeClaimTemplates") or ()
    names = [(template.get("metadata") or {}).get("name") for template in templates]
    claims = [{"name": name, "persistentVolumeClaim": {"claimName": f"{name}-{item['metadata']['name']}-0"}} for name in names]
    return spec | {"volumes": [*(spec.get("volumes") or ()), *claims]} if claims else spec


def replaced(spec: Object, claims: Collection[str], *, real: bool) -> tuple[Object, tuple[str, ...]]:
    """The pod's spec with the volumes of a rehearsal, and those that have data and are empty in it. `claims` exist in its namespace."""
    volumes: list[Object] = []
    emptied, read_only = [], set()
    for volume in spec.get("volumes") or ():
        name, kind = volume.get("name"), _kind(volume)
        has_data = kind not in HARMLESS and (kind != "persistentVolumeClaim" or _claim(volume) in claims)
        if kind in HARMLESS:
            volumes.append(_without_token(volume))
        elif real and has_data:
            read_only.add(name)
            volumes.append(_read_only(volume, kind))
        else:
            volumes.append({"name": name, "emptyDir": {}})
            emptied += [str(name)] if has_data else []
    groups = {
        key: [_mounting(container, read_only) for container in spec[key]] for key in ("initContainers", "containers") if spec.get(key)
    }
    return spec | groups | ({"volumes": volumes} if volumes else {}), tuple(emptied)


def _kind(volume: Object) -> str:
    return next((key for key in volume if key != "name"), "emptyDir")


def _claim(volume: Object) -> str:
    return str((volume.get("persistentVolumeClaim") or {}).get("claimName") or "")


def _without_token(volume: Object) -> Object:
    """A projected volume may have a token of the service account by itself."""
    sources = (volume.get("projected") or {}).get("sources")
    if sources is None:
        return volume
    kept = [source for source in sources if "serviceAccountToken" not in source]
    return volume | {"projected": volume["projected"] | {"sources": kept}} if kept else {"name": volume.get("name"), "emptyDir": {}}


def _read_only(volume: Object, kind: str) -> Object:
    source: dict[str, Any] = dict(volume[kind] or {})
    if kind == "persistentVolumeClaim":
        source["readOnly"] = True
    elif kind == "hostPath" and source.get("type") in CREATED:
        source["type"] = CREATED[source["type"]]
    return volume | {kind: source}


def _mounting(container: Object, read_only: Collection[str | None]) -> Object:
    mounts = container.get("volumeMounts")
    if not mounts or not read_only:
        return container
    return container | {"volumeMounts": [mount | {"readOnly": True} if mount.get("name") in read_only else mount for mount in mounts]}
