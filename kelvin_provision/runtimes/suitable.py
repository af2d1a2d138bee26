"""Whether an image can run here at all, and whether a runtime can unpack it. Pure."""

from __future__ import annotations

from kelvin_provision.errors import ImageUnsupported, PlatformMissing
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
_TARS = ("application/vnd.oci.image.layer.v1.tar", "application/vnd.docker.image.rootfs.diff.tar")
ZSTD_SINCE = 23
"""The first Docker Engine that unpacks it."""


def check(lock: ImageLock, here: Platform) -> None:
    """Raises PlatformMissing for another platform, ImageUnsupported for what is no container image."""
    if not here.accepts(lock.platform):
        raise PlatformMissing(f"{lock.reference} is for {lock.platform}; this node is {here}")
    if lock.config.media_type not in _CONFIGS:
        raise ImageUnsupported(f"{lock.reference} is no container image: its config is {lock.config.media_type}")


def for_containerd(lock: ImageLock) -> None:
    """Raises ImageUnsupported for layers that are encrypted, foreign or of a kind that nobody knows."""
    for layer in lock.layers:
        if layer.media_type not in _LAYERS:
            raise ImageUnsupported(f"{lock.reference}: containerd cannot unpack a layer of type {layer.media_type}")


def for_docker(lock: ImageLock, version: str) -> None:
    """The same, and for zstd where the engine is too old."""
    for layer in lock.layers:
        _check_layer(lock, layer.media_type, version)


def _check_layer(lock: ImageLock, media_type: str, version: str) -> None:
    plain, _, packing = media_type.replace(".tar.", ".tar+").partition("+")
    if plain not in _TARS or packing not in {"", "gzip", "zstd"}:
        raise ImageUnsupported(f"{lock.reference}: Docker Engine cannot unpack a layer of type {media_type}")
    major = version.partition(".")[0]
    if packing == "zstd" and major.isdigit() and int(major) < ZSTD_SINCE:
        raise ImageUnsupported(
            f"{lock.reference}: Docker Engine {version} cannot unpack zstd layers",
            hint=f"push the image with gzip layers, or upgrade Docker Engine to {ZSTD_SINCE} or newer",
        )
