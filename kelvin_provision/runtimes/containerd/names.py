"""The names of images in containerd: what each stands for, in which form, and removing them.

A name of ours stands for the manifest or index that its digest says, or for a local manifest of that image (`spec.rebuilt`), which is read.
"""

from __future__ import annotations

import json
import time
from typing import BinaryIO

from kelvin_provision.files.hashing import has_digest
from kelvin_provision.refs import is_digest
from kelvin_provision.runtimes.containerd.ctr import Ctr
from kelvin_provision.runtimes.containerd.image_status import LOCAL
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.rebuilt import MAX_LOCAL, ORIGINAL, plain_layers_of


class Names:
    """Those of one namespace."""

    def __init__(self, ctr: Ctr) -> None:
        self._ctr = ctr

    def target(self, name: str, lock: ImageLock) -> str | None:
        """What this name stands for, if that is the image, as it was published or with plain layers."""
        target = self.rows(name).get(name, {}).get("DIGEST", "")
        return target if self.original(lock, target) == lock.root.digest else None

    def original(self, lock: ImageLock, target: str) -> str:
        """The root of the lock for a local manifest of it, which is read; else the target itself."""
        if target == lock.root.digest or not is_digest(target):
            return target
        with self._ctr.open_output("content", "get", target) as pipe:
            data = _read(pipe, MAX_LOCAL)
        return lock.root.digest if has_digest(data, target) and plain_layers_of(lock, data) is not None else target

    def rows(self, *names: str) -> dict[str, dict[str, str]]:
        """Of the table of images, by name."""
        return {row["REF"]: row for row in self._ctr.run("images", "ls", *map(named, names)).rows()} if names else {}

    def remove_image(self, lock: ImageLock, *, delay: float = 0.0) -> None:
        """In whichever form it is there."""
        target = self.target(lock.name, lock)
        if target is not None:
            self.remove_name(lock.name, target, lock.config.digest, delay=delay)

    def remove_name(self, name: str, root: str, config: str, *, delay: float = 0.0) -> None:
        """Remove our name of this root digest and the one that the CRI adds, unless a container uses the image. Waits for the collection.

        Also called before an import: a power cut after unpacking leaves a snapshot whose files may be empty, and containerd would not
        unpack over it.
        """
        names = self.of(root)
        if name not in names:
            return
        if delay:
            time.sleep(delay)
            names = self.of(root)
        used_by = [f"image=={json.dumps(image)}" for image in {*names, config}]
        if self._ctr.output("containers", "ls", "-q", *used_by).strip():
            return
        removed = [name]
        # The CRI also names every image `sha256:<config>`, and that name alone would keep all of it. Another image with the same config
        # (the same layers, compressed otherwise) can do without: the CRI finds it by its own name.
        if set(names) == {name, config}:
            removed.append(config)
        self._ctr.output("images", "rm", "--sync", *removed)

    def of(self, root: str) -> list[str]:
        """All that stand for this digest."""
        return self._ctr.output("images", "ls", "-q", f"target.digest=={root}").split()


def local_labels(lock: ImageLock, target: str) -> tuple[str, ...]:
    """For a name of the image: without plain layers they go, if it has them."""
    local = target != lock.root.digest
    return f"{ORIGINAL}={lock.root.digest if local else ''}", f"{LOCAL}={target if local else ''}"


def _read(pipe: BinaryIO, most: int) -> bytes:
    """At most so many bytes: a name may stand for anything."""
    data = b""
    while len(data) <= most and (chunk := pipe.read(most)):
        data += chunk
    return data


def named(name: str) -> str:
    return f"name=={json.dumps(name)}"
