"""Renders files of the container: configuration, text, host folders, persistent volumes and secrets.

ConfigMaps and Secrets have names that end in their hash: a change rolls out new pods, and a rollback finds its own contents again.
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
MAX_SIZE = 1 << 20
"""The server's limit for a ConfigMap or Secret, in bytes."""

CLAIM_SIZE = "1Gi"


@dataclass
class Files:
    """Objects, and the parts of pod and container that refer to them. `secret_variables` maps a variable to its `valueFrom`."""

    objects: list[Object] = field(default_factory=list)
    volumes: list[Object] = field(default_factory=list)
    mounts: list[Object] = field(default_factory=list)
    secret_variables: dict[str, Object] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)


def collect(spec: Spec) -> Files:
    """Collect the files of a workload, and its variables that refer to secrets."""
    files = Files()
    secrets: dict[str, str] = {}
    targets = {volume.target for volume in spec.system.volumes}
    _configuration(spec, files, secrets, targets)
    _text(spec, files)
    for volume in spec.system.volumes:
        if volume.kind is VolumeKind.HOST:
            _mount(files, volume, {"hostPath": {"path": volume.source}})
        elif volume.kind is VolumeKind.PERSISTENT:
            claim = f"{spec.name}-{volume.name}"
            files.objects.append(_claim(claim))
            _mount(files, volume, {"persistentVolumeClaim": {"claimName": claim}})
    _secrets(spec, files, secrets)
    return files


def _configuration(spec: Spec, files: Files, secrets: dict[str, str], targets: set[str]) -> None:
    """app.yaml is the payload word for word, but for secrets. A configuration that refers to secrets becomes a Secret itself.

    The value of a secret volume is blanked in app.yaml, rather than app.yaml made a Secret: every user in the container may read
    app.yaml, while the volume's mode decides who may read the value.
    """
    import yaml

    def to_yaml(document: dict[str, Any]) -> str:
        return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)

    data = {"app.yaml": to_yaml(mask_secret_volumes(spec.payload))}
    if any(references_in(spec.configuration)):
        secrets["config.yaml"] = to_yaml(spec.configuration)
    else:
        data["config.yaml"] = to_yaml(spec.configuration)
    name = f"{spec.name}-config-{short(data)}"
    _check_size(files, "configuration", data)
    files.objects.append(_config_map(name, data=data))
    files.volumes.append({"name": "kelvin-config", "configMap": {"name": name}})
    for key in ("app.yaml", "config.yaml"):
        if f"{SHARE}/{key}" not in targets:  # a volume of the request at this path wins
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
        if len(content) > MAX_SIZE:
            files.findings.append(f"volume {volume.name}: {len(content)} bytes; a text volume has at most {MAX_SIZE}")
    _check_size(files, "text volumes", data, already=sum(len(base64.b64decode(item)) for item in binary.values()))
    modes = [_mode(files, volume) for volume in texts]
    name = f"{spec.name}-files-{short([data, binary, modes])}"
    files.objects.append(_config_map(name, data=data, binary=binary))
    items = [{"key": volume.name, "path": volume.name, "mode": mode} for volume, mode in zip(texts, modes, strict=True)]
    files.volumes.append({"name": "kelvin-files", "configMap": {"name": name, "items": items}})
    for volume in texts:
        files.mounts.append({"name": "kelvin-files", "mountPath": volume.target, "subPath": volume.name, "readOnly": True})


def _secrets(spec: Spec, files: Files, secrets: dict[str, str]) -> None:
    """Render one Secret for all values. Its name has a hash of the references, never of the values."""
    items = [{"key": key, "path": key, "mode": 0o644} for key in secrets]
    for volume in spec.system.volumes:
        if volume.kind is VolumeKind.SECRET:
            key = f"volume.{volume.name}"
            secrets[key] = volume.secret or base64.b64decode(volume.data).decode(errors="replace")
            items.append({"key": key, "path": key, "mode": _mode(files, volume)})
            files.mounts.append({"name": "kelvin-secrets", "mountPath": volume.target, "subPath": key, "readOnly": True})
    secret_variables = [variable for variable in spec.system.environment if any(references_in(variable.value))]
    secrets.update({f"env.{variable.name}": variable.value for variable in secret_variables})
    if not secrets:
        return
    name = f"{spec.name}-secrets-{short([secrets, items])}"
    _check_size(files, "secrets", secrets)
    files.objects.append(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "Opaque", "stringData": secrets},
    )
    if items:
        files.volumes.append({"name": "kelvin-secrets", "secret": {"secretName": name, "items": items}})
    for variable in secret_variables:
        files.secret_variables[variable.name] = {"secretKeyRef": {"name": name, "key": f"env.{variable.name}"}}


def _mount(files: Files, volume: Volume, source: Object) -> None:
    name = f"v-{volume.name}" if len(volume.name) <= 60 else f"v-{short(volume.name)}"
    files.volumes.append({"name": name, **source})
    files.mounts.append({"name": name, "mountPath": volume.target})


def _mode(files: Files, volume: Volume) -> int:
    try:
        return int(volume.mode, 8)
    except ValueError:
        files.findings.append(f"volume {volume.name}: mode {volume.mode} is not an octal number")
        return 0o644


def _check_size(files: Files, name: str, data: dict[str, str], already: int = 0) -> None:
    size = already + sum(len(text.encode()) for text in data.values())
    if size > MAX_SIZE:
        files.findings.append(f"{name}: {size} bytes in total; Kubernetes accepts at most {MAX_SIZE}")


def _config_map(name: str, *, data: dict[str, str], binary: dict[str, str] | None = None) -> Object:
    config_map: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    return config_map | ({"data": data} if data else {}) | ({"binaryData": binary} if binary else {})


def _claim(name: str) -> Object:
    """The claim uses the default storage class. Its name has no hash: the data outlives every revision."""
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": CLAIM_SIZE}}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}
