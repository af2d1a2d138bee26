"""Named volumes for what an image declares as VOLUME. Pure.

The engine would give each container an anonymous volume, which is removed with the old container after an update. The spec hash leaves
them out: they follow from the image, which is in it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Any

from kelvin_provision.cluster.docker.containers import container_object
from kelvin_provision.cluster.labels import OWNER, REVISION, SPEC_HASH
from kelvin_provision.files.hashing import sha256_hex
from kelvin_provision.spec.workload import Object

PATH = "kelvin-provision/volume-of-image"
"""Annotation of such a volume: its path in the container."""

SLUG_LENGTH = 40
_CONTAINERS_OWN = frozenset({REVISION, SPEC_HASH, "app.kubernetes.io/version"})


def with_image_volumes(objects: Sequence[Object], image: Mapping[str, Any] | None) -> tuple[Object, ...]:
    """The objects of a revision with a volume for each path that the image declares and the manifest does not mount. `image`: inspected."""
    container = container_object(objects)
    declared = ((image or {}).get("Config") or {}).get("Volumes") or {}
    if container is None or not declared:
        return tuple(objects)
    spec = container["spec"]
    mounted = {mount["target"] for mount in (*spec["volumes"], *spec["binds"])}
    paths = sorted({posixpath.normpath(f"/{path.lstrip('/')}") for path in declared} - mounted - {"/"})
    volumes = [_volume(container, path) for path in paths]
    mounts = [{"name": volume["metadata"]["name"], "target": path} for volume, path in zip(volumes, paths, strict=True)]
    completed = container | {"spec": spec | {"volumes": [*spec["volumes"], *mounts]}}
    return (*volumes, *(completed if value is container else value for value in objects))


def _volume(container: Object, path: str) -> Object:
    labels = {name: value for name, value in container["metadata"]["labels"].items() if name not in _CONTAINERS_OWN | _metrics(container)}
    name = volume_name(labels[OWNER], path)
    return {"kind": "Volume", "metadata": {"name": name, "labels": labels, "annotations": {PATH: path}}, "spec": {}}


def _metrics(container: Object) -> set[str]:
    return {name for name in container["metadata"]["labels"] if name.startswith("prometheus.io/")}


def volume_name(workload: str, path: str) -> str:
    """Other than that of any volume of the manifest, and of another path."""
    slug = re.sub(r"[^a-z0-9]+", "-", path.lower()).strip("-")[:SLUG_LENGTH].strip("-")
    return f"kelvin-{workload}-image-{slug or 'volume'}-{sha256_hex(path)[:8]}"
