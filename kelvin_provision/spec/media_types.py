"""The media types of images, and what each container runtime can do with them. Pure, and the only such table (docs/runtimes.md).

`tests/contract/test_media_types.py` loads an image of every type into every runtime that is here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from kelvin_provision.spec.identity import Identity

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEXES = frozenset({OCI_INDEX, DOCKER_LIST})
DOCUMENTS = (OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST)
"""In the order of a request's `Accept`."""

SCHEMA_1 = frozenset({"application/vnd.docker.distribution.manifest.v1+json", "application/vnd.docker.distribution.manifest.v1+prettyjws"})

CONFIGS = frozenset({"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"})
"""Charts and other artifacts have configs of other kinds (OCI image spec, "Guidelines for Artifact Usage")."""

_OCI, _DOCKER = "application/vnd.oci.image.layer.v1.tar", "application/vnd.docker.image.rootfs.diff.tar"
COMPRESSIONS = {
    _OCI: "",
    f"{_OCI}+gzip": "gzip",
    f"{_OCI}+zstd": "zstd",
    _DOCKER: "",
    f"{_DOCKER}.gzip": "gzip",
    f"{_DOCKER}.zstd": "zstd",
}
"""How layers of each media type are compressed; empty where they are not. Others (foreign, encrypted) no runtime unpacks here."""

LAYERS = frozenset(COMPRESSIONS)
_NOT_ZSTD = frozenset(layer for layer, compression in COMPRESSIONS.items() if compression != "zstd")


@dataclass(frozen=True)
class ImageSupport:
    """What a runtime can unpack, from a version of what unpacks on. `most`: layers of an image, in all."""

    unpacker: str
    since: tuple[int, int]
    layers: frozenset[str] = LAYERS
    most: int = 400

    @property
    def selects_in_index(self) -> bool:
        """Whether it is given the index of an image that is named by it, and selects the manifest itself."""
        return self.unpacker == "containerd"

    def of_a_manifest(self) -> ImageSupport:
        """The same, for an image that is named by its manifest: nothing is left to it to select."""
        return replace(self, unpacker="")

    def reason_against(self, layers: tuple[str, ...]) -> str:
        """Why it cannot unpack an image with layers of these media types; empty if it can."""
        if wrong := [layer for layer in layers if layer not in self.layers]:
            return f"cannot unpack layers of type {wrong[0]}"
        return f"takes at most {self.most} layers, and the image has {len(layers)}" if len(layers) > self.most else ""


DOCKER_LAYERS = 125
"""`maxLayerDepth` of Docker's own store. With containerd the mount options of all layers must fit in a page: 400 with IDs of six digits."""

SUPPORT = (
    ImageSupport("containerd", (1, 6), LAYERS - {f"{_DOCKER}.zstd"}),
    ImageSupport("containerd", (2, 0)),
    ImageSupport("Docker Engine", (20, 10), _NOT_ZSTD, DOCKER_LAYERS),
    ImageSupport("Docker Engine", (23, 0), LAYERS, DOCKER_LAYERS),
)
"""Oldest first. With the containerd image store, Docker Engine has containerd unpack; with its own store it looks at the bytes of a layer,
and not at its media type."""

ANYTHING = ImageSupport("any runtime", (0, 0))


def support_of(identity: Identity, version: str) -> ImageSupport:
    """`version` is that of what unpacks: of containerd, or of Docker Engine with its own store. An unknown one counts as the newest."""
    unpacker = "Docker Engine" if identity is Identity.CONFIG else "containerd"
    rows = [row for row in SUPPORT if row.unpacker == unpacker]
    numbers = re.match(r"v?(\d+)\.(\d+)", version)
    known = [row for row in rows if row.since <= (int(numbers[1]), int(numbers[2]))] if numbers else rows
    return (known or rows[:1])[-1]
