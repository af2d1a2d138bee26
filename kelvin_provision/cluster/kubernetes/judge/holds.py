"""How a workload on Kubernetes says that it is not to be changed now. Pure.

An annotation on any of its objects, which the workload or anybody with kubectl sets; or, where it cannot speak to the API, the file
`reason` in a host volume that it has mounted at `/opt/kelvin/hold`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from kelvin_provision.cluster.kubernetes.render.objects import owner
from kelvin_provision.cluster.labels import HOLD, HOLD_FOLDER
from kelvin_provision.cluster.plan import describe
from kelvin_provision.spec.workload import Object
from kelvin_provision.status import Hold


def annotated(items: Sequence[Object]) -> Hold | None:
    """The first hold on these objects; an empty reason is one, too."""
    for item in items:
        notes = item["metadata"].get("annotations") or {}
        if HOLD in notes:
            return Hold(" ".join(str(notes[HOLD]).split()), describe(item), _since(item))
    return None


def _since(item: Object) -> str:
    """When the annotation's manager last wrote, as the server has noted it."""
    for entry in item["metadata"].get("managedFields") or ():
        fields: Any = entry.get("fieldsV1") or {}
        for step in ("f:metadata", "f:annotations", f"f:{HOLD}"):
            fields = fields.get(step) if isinstance(fields, dict) else None
        if fields is not None:
            return str(entry.get("time") or "")
    return ""


def folders(items: Sequence[Object]) -> Iterator[tuple[str, str]]:
    """Workload and folder of this computer, for each host volume that is mounted where a hold stands."""
    for item in items:
        name = owner(item)
        spec = item.get("spec") or {}
        pod = spec if item.get("kind") == "Pod" else (spec.get("template") or {}).get("spec") or {}
        places = {volume["name"]: (volume.get("hostPath") or {}).get("path") for volume in pod.get("volumes") or ()}
        for container in pod.get("containers") or ():
            for mount in container.get("volumeMounts") or ():
                path = places.get(mount["name"])
                if name and path and mount["mountPath"].rstrip("/") == HOLD_FOLDER and not mount.get("subPath"):
                    yield name, path
