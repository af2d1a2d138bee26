"""Finds holds: a workload asks not to be changed now. Pure.

A hold is an annotation on any object of the workload, set by itself or with kubectl; or, for a workload without access to the API
server, the file `reason` in a host volume that is mounted at `/opt/kelvin/hold`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from kelvin_provision.cluster.kubernetes.render.objects import owner, template_of
from kelvin_provision.cluster.labels import HOLD, HOLD_FOLDER
from kelvin_provision.cluster.plan import describe
from kelvin_provision.observation import Hold
from kelvin_provision.spec.workload import Object


def annotated_hold(objects: Sequence[Object]) -> Hold | None:
    """Return the first hold on these objects; its reason may be empty."""
    for item in objects:
        annotations = item["metadata"].get("annotations") or {}
        if HOLD in annotations:
            return Hold(" ".join(str(annotations[HOLD]).split()), describe(item), _annotated_at(item))
    return None


def _annotated_at(item: Object) -> str:
    """The time of the annotation's field manager; empty if the server does not record it."""
    for entry in item["metadata"].get("managedFields") or ():
        fields: Any = entry.get("fieldsV1") or {}
        for step in ("f:metadata", "f:annotations", f"f:{HOLD}"):
            fields = fields.get(step) if isinstance(fields, dict) else None
        if fields is not None:
            return str(entry.get("time") or "")
    return ""


def hold_folders(objects: Sequence[Object]) -> Iterator[tuple[str, str]]:
    """Yield workload and host path of each host volume that is mounted at the hold folder."""
    for item in objects:
        workload = owner(item)
        pod = (template_of(item) or {}).get("spec") or {}
        paths = {volume["name"]: (volume.get("hostPath") or {}).get("path") for volume in pod.get("volumes") or ()}
        for container in pod.get("containers") or ():
            for mount in container.get("volumeMounts") or ():
                path = paths.get(mount["name"])
                if workload and path and mount["mountPath"].rstrip("/") == HOLD_FOLDER and not mount.get("subPath"):
                    yield workload, path
