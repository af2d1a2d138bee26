"""Whether an image can run on this box, and whether a runtime can unpack it. Pure."""

from __future__ import annotations

from kelvin_provision.errors import ImageUnsupported, PlatformMissing
from kelvin_provision.runtimes.protocol import RuntimeInfo
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.media_types import COMPRESSIONS, CONFIGS, SUPPORT


def check(lock: ImageLock, runtime: RuntimeInfo) -> None:
    """Raises PlatformMissing for another platform, ImageUnsupported for what is no container image, and for what it cannot unpack."""
    if not runtime.platform.accepts(lock.platform):
        raise PlatformMissing(f"{lock.reference} is for {lock.platform}; this node is {runtime.platform}")
    if lock.config.media_type not in CONFIGS:
        raise ImageUnsupported(f"{lock.reference} is not a container image: its config has the media type {lock.config.media_type}")
    types = tuple(layer.media_type for layer in lock.layers)
    if reason := runtime.support.reason_against(types):
        unpacker = f"{runtime.support.unpacker} {runtime.unpacker or runtime.version}"
        raise ImageUnsupported(f"{lock.reference}: {unpacker} {reason}", hint=_hint(runtime, types))


def _hint(runtime: RuntimeInfo, layers: tuple[str, ...]) -> str:
    if len(layers) > runtime.support.most:
        return "build the image with fewer layers, such as from a last stage that copies from the others"
    if not all(layer in COMPRESSIONS for layer in layers):
        return "push a container image whose layers are plain, gzip or zstd"
    later = [row for row in SUPPORT if row.unpacker == runtime.support.unpacker and not row.reason_against(layers)]
    upgrade = f", or upgrade {later[0].unpacker} to {later[0].since[0]} or newer" if later else ""
    return f"push the image with gzip layers{upgrade}"
