"""Files in the container: configuration, text, host folders, persistent folders and secrets.

Contents that may change get names that end in their hash, so that a change makes new pods and a roll-back finds its own.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import Any

from kelvin_provision.cluster.kubernetes.render.objects import short
from kelvin_provision.masking.app_manifest import mask_secret_volumes
from kelvin_provision.spec.enums import VolumeKind
from kelvin_provision.spec.references import references_in
from kelvin_provision.spec.workload import Object, Spec, Volume

SHARE = "/opt/kelvin/share"
LIMIT = 1 << 20
"""Bytes in one ConfigMap or Secret (Kubernetes' own limit)."""

CLAIM_SIZE = "1Gi"


@dataclass
class Files:
    """What `collect` gathers on its way: objects of their own, and what pod and container say about them."""

    objects: list[Object] = field(default_factory=list)
    volumes: list[Object] = field(default_factory=list)
    mounts: list[Object] = field(default_factory=list)
    environment: dict[str, Object] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)


def collect(spec: Spec) -> Files:
    """Everything that the workload finds in its file system, and the variables that come out of secrets."""
    files = Files()
    secrets: dict[str, str] = {}
    taken = {volume.target for volume in spec.system.volumes}
    _configuration(spec, files, secrets, taken)
    _text(spec, files)
    for volume in spec.system.volumes:
        if volume.kind is VolumeKind.HOST:
            _mounted(files, volume, {"hostPath": {"path": volume.source}})
        elif volume.kind is VolumeKind.PERSISTENT:
            claim = f"{spec.name}-{volume.name}"
            files.objects.append(_claim(claim))
            _mounted(files, volume, {"persistentVolumeClaim": {"claimName": claim}})
    _secrets(spec, files, secrets)
    return files


def _configuration(spec: Spec, files: Files, secrets: dict[str, str], taken: set[str]) -> None:
    """app.yaml is the payload word for word, but for secrets. A configuration that names secrets is a secret itself.

    A secret volume's own value is blanked rather than the whole of app.yaml made a secret: everybody in the container may
    read app.yaml, and the volume's mode says who may read the value.
    """
    import yaml

    def written(document: dict[str, Any]) -> str:
        return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)

    data = {"app.yaml": written(mask_secret_volumes(spec.payload))}
    if any(references_in(spec.configuration)):
        secrets["config.yaml"] = written(spec.configuration)
    else:
        data["config.yaml"] = written(spec.configuration)
    name = f"{spec.name}-config-{short(data)}"
    _limited(files, "configuration", data)
    files.objects.append(_config_map(name, data=data))
    files.volumes.append({"name": "kelvin-config", "configMap": {"name": name}})
    for key in ("app.yaml", "config.yaml"):
        if f"{SHARE}/{key}" not in taken:  # a volume of the request at the same place wins
            volume = "kelvin-secrets" if key in secrets else "kelvin-config"
            files.mounts.append({"name": volume, "mountPath": f"{SHARE}/{key}", "subPath": key, "readOnly": True})


def _text(spec: Spec, files: Files) -> None:
    texts = [volume for volume in spec.system.volumes if volume.kind is VolumeKind.TEXT]
    if not texts:
        return
    data, binary = {}, {}
    for volume in texts:
        try:
            content = base64.b64decode(volume.data, validate=True)
        except binascii.Error:
            files.findings.append(f"volume {volume.name}: its data is not base64")
            continue
        try:
            data[volume.name] = content.decode()
        except UnicodeDecodeError:
            binary[volume.name] = volume.data
        if len(content) > LIMIT:
            files.findings.append(f"volume {volume.name}: {len(content)} bytes, a text volume can hold {LIMIT}")
    _limited(files, "text volumes", data, already=sum(len(base64.b64decode(item)) for item in binary.values()))
    modes = [_mode(files, volume) for volume in texts]
    name = f"{spec.name}-files-{short([data, binary, modes])}"
    files.objects.append(_config_map(name, data=data, binary=binary))
    items = [{"key": volume.name, "path": volume.name, "mode": mode} for volume, mode in zip(texts, modes, strict=True)]
    files.volumes.append({"name": "kelvin-files", "configMap": {"name": name, "items": items}})
    for volume in texts:
        files.mounts.append({"name": "kelvin-files", "mountPath": volume.target, "subPath": volume.name, "readOnly": True})


def _secrets(spec: Spec, files: Files, secrets: dict[str, str]) -> None:
    """One Secret for everything that must not be read in passing. Its name knows the references, never the values."""
    items = [{"key": key, "path": key, "mode": 0o644} for key in secrets]
    for volume in spec.system.volumes:
        if volume.kind is VolumeKind.SECRET:
            key = f"volume.{volume.name}"
            secrets[key] = volume.secret or base64.b64decode(volume.data).decode(errors="replace")
            items.append({"key": key, "path": key, "mode": _mode(files, volume)})
            files.mounts.append({"name": "kelvin-secrets", "mountPath": volume.target, "subPath": key, "readOnly": True})
    hidden = [variable for variable in spec.system.environment if any(references_in(variable.value))]
    secrets.update({f"env.{variable.name}": variable.value for variable in hidden})
    if not secrets:
        return
    name = f"{spec.name}-secrets-{short([secrets, items])}"
    _limited(files, "secrets", secrets)
    files.objects.append(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "Opaque", "stringData": secrets},
    )
    if items:
        files.volumes.append({"name": "kelvin-secrets", "secret": {"secretName": name, "items": items}})
    for variable in hidden:
        files.environment[variable.name] = {"secretKeyRef": {"name": name, "key": f"env.{variable.name}"}}


def _mounted(files: Files, volume: Volume, source: Object) -> None:
    name = f"v-{volume.name}" if len(volume.name) <= 60 else f"v-{short(volume.name)}"
    files.volumes.append({"name": name, **source})
    files.mounts.append({"name": name, "mountPath": volume.target})


def _mode(files: Files, volume: Volume) -> int:
    try:
        return int(volume.mode, 8)
    except ValueError:
        files.findings.append(f"volume {volume.name}: mode {volume.mode} is not octal")
        return 0o644


def _limited(files: Files, what: str, data: dict[str, str], already: int = 0) -> None:
    size = already + sum(len(text.encode()) for text in data.values())
    if size > LIMIT:
        files.findings.append(f"{what}: {size} bytes together, Kubernetes can hold {LIMIT}")


def _config_map(name: str, *, data: dict[str, str], binary: dict[str, str] | None = None) -> Object:
    found: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    return found | ({"data": data} if data else {}) | ({"binaryData": binary} if binary else {})


def _claim(name: str) -> Object:
    """On the default storage class. Its name is stable: the data outlives every revision."""
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": CLAIM_SIZE}}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": wanted}
