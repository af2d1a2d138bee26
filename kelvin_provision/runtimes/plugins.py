"""Where containerd keeps things, in its own words: k3s's folders are not where others have theirs. Pure."""

from __future__ import annotations

from pathlib import Path

from kelvin_provision.runtimes.protocol import ImageStorage

# When it does not say so: k3s's own, and the others'.
_K3S, _PLAIN = Path("/var/lib/rancher/k3s/agent/containerd"), Path("/var/lib/containerd")


class Plugins:
    """What `ctr plugins ls -d` answers: each plugin that exports a root."""

    def __init__(self, text: str) -> None:
        self._roots = _roots(text)

    @property
    def content(self) -> Path | None:
        """The content store's."""
        return next((path for (kind, _), path in self._roots.items() if kind.startswith("io.containerd.content.")), None)

    def storage(self, *, k3s: bool) -> ImageStorage:
        """Layers as they came in the content store, unpacked ones in the snapshotter."""
        snapshots = {name: path for (kind, name), path in self._roots.items() if kind.startswith("io.containerd.snapshotter.")}
        unpacked = snapshots.get("overlayfs") or next(iter(snapshots.values()), None)
        root = _K3S if k3s else _PLAIN
        return ImageStorage(unpacked=unpacked or root, compressed=self.content or root)


def _roots(text: str) -> dict[tuple[str, str], Path]:
    """By type and name."""
    found: dict[tuple[str, str], Path] = {}
    kind = name = ""
    for line in text.splitlines():
        key, _, value = line.strip().partition(" ")
        value = value.strip()
        if key == "Type:":
            kind = value
        elif key == "ID:":
            name = value
        elif key == "root" and value.startswith("/"):
            found[kind, name] = Path(value)
    return found
