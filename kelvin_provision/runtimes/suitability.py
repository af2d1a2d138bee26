"""Whether an image can run on this box, and whether a runtime can unpack it. Pure."""

from __future__ import annotations

from kelvin_provision.errors import ImageUnsupported, PlatformMissing
from kelvin_provision.quantity import parse_count
from kelvin_provision.refs import Platform
from kelvin_provision.spec.lock import ImageLock

_CONFIGS = {"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"}
"""Charts and other artifacts have configs of other kinds (OCI image spec, "Guidelines for Artifact Usage")."""

_LAYERS = {
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
}
_UNCOMPRESSED = ("application/vnd.oci.image.layer.v1.tar", "application/vnd.docker.image.rootfs.diff.tar")
FIRST_MAJOR_WITH_ZSTD = 23


def check(lock: ImageLock, node: Platform) -> None:
    """Raises PlatformMissing for another platform, ImageUnsupported for an artifact that is not a container image."""
    if not node.accepts(lock.platform):
        raise PlatformMissing(f"{lock.reference} is for {lock.platform}; this node is {node}")
    if lock.config.media_type not in _CONFIGS:
        raise ImageUnsupported(f"{lock.reference} is not a container image: its config has the media type {lock.config.media_type}")


def check_for_containerd(lock: ImageLock) -> None:
    """Raises ImageUnsupported for encrypted, foreign and unknown layers."""
    for layer in lock.layers:
        if layer.media_type not in _LAYERS:
            raise ImageUnsupported(f"{lock.reference}: containerd cannot unpack a layer of type {layer.media_type}")


def check_for_docker(lock: ImageLock, version: str) -> None:
    """Raises ImageUnsupported as for containerd, and for zstd layers where the engine is too old."""
    for layer in lock.layers:
        _check_layer(lock, layer.media_type, version)


def _check_layer(lock: ImageLock, media_type: str, version: str) -> None:
    plain, _, compression = media_type.replace(".tar.", ".tar+").partition("+")
    if plain not in _UNCOMPRESSED or compression not in {"", "gzip", "zstd"}:
        raise ImageUnsupported(f"{lock.reference}: Docker Engine cannot unpack a layer of type {media_type}")
    major = parse_count(version.partition(".")[0])
    if compression == "zstd" and major is not None and major < FIRST_MAJOR_WITH_ZSTD:
        raise ImageUnsupported(
            f"{lock.reference}: Docker Engine {version} cannot unpack zstd layers",
            hint=f"push the image with gzip layers, or upgrade Docker Engine to {FIRST_MAJOR_WITH_ZSTD} or newer",
        )
