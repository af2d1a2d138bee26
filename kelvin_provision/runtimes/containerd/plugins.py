"""Where containerd keeps images, from `ctr plugins ls -d`: k3s's folders are not where others have theirs. Pure."""

from __future__ import annotations

from pathlib import Path

from kelvin_provision.runtimes.protocol import ImageStorage

# Where a containerd keeps everything that tells no folders.
_K3S_ROOT, _DEFAULT_ROOT = Path("/var/lib/rancher/k3s/agent/containerd"), Path("/var/lib/containerd")


class Plugins:
    """The plugins that export a root folder."""

    def __init__(self, text: str) -> None:
        self._roots = _roots(text)

    @property
    def content_store(self) -> Path | None:
        return next((path for (kind, _), path in self._roots.items() if kind.startswith("io.containerd.content.")), None)

    def storage(self, *, k3s: bool) -> ImageStorage:
        """Compressed layers are in the content store, unpacked ones in the snapshotter."""
        snapshotters = {name: path for (kind, name), path in self._roots.items() if kind.startswith("io.containerd.snapshotter.")}
        unpacked = snapshotters.get("overlayfs") or next(iter(snapshotters.values()), None)
        root = _K3S_ROOT if k3s else _DEFAULT_ROOT
        return ImageStorage(unpacked=unpacked or root, compressed=self.content_store or root)


def _roots(text: str) -> dict[tuple[str, str], Path]:
    """By type and ID."""
    roots: dict[tuple[str, str], Path] = {}
    kind = name = ""
    for line in text.splitlines():
        key, _, value = line.strip().partition(" ")
        value = value.strip()
        if key == "Type:":
            kind = value
        elif key == "ID:":
            name = value
        elif key == "root" and value.startswith("/"):
            roots[kind, name] = Path(value)
    return roots
