"""containerd, k3s's own or any other, through `ctr`: DESIGN section 14, "Images and containerd".

Knows names, labels and what makes an image whole; `runtimes.ctr` knows the process. Never another flag than `-`
at import: `--digests`, `--local`, `--label` and `--sync-fs` differ between 1.6 and 2.x or are not there.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from typing import BinaryIO

from kelvin_provision.errors import ImportFailed, NoSpace, OurBug, RuntimeUnreachable
from kelvin_provision.files.hashing import has_digest
from kelvin_provision.refs import Descriptor, Platform
from kelvin_provision.runtimes import suitable
from kelvin_provision.runtimes.ctr import Ctr
from kelvin_provision.runtimes.image_status import OURS, PINNED, sights, standing
from kelvin_provision.runtimes.plugins import Plugins
from kelvin_provision.runtimes.protocol import USABLE, BlobPath, ImageStatus, ImageStorage, RuntimeInfo
from kelvin_provision.spec.lock import ImageLock

# Seconds. The CRI answers the event of an import with a name of its own; taken out too early, ours would go and that one stay.
_CRI_TIME = 0.5


class Containerd:
    """The images of one namespace. What carries our label was whole and on the disk when it got it; nothing else is ours."""

    name = "containerd"

    def __init__(self, address: str, namespace: str = "k8s.io", command: tuple[str, ...] = ("ctr",)) -> None:
        self._ctr = Ctr(address, namespace, command)

    def info(self) -> RuntimeInfo:
        """The server's version; the CRI honours pins from 1.7 on."""
        found = re.search(r"Server:\s+Version:\s+v?((\d+)\.(\d+)\S*)", self._ctr.text("version"))
        if found is None:
            raise OurBug("ctr version says nothing that looks like a version")
        pins = (int(found[2]), int(found[3])) >= (1, 7)
        return RuntimeInfo(self.name, found[1], Platform.of_this_host(), pins)

    def check(self, lock: ImageLock) -> None:
        """Refuse another platform, and what is no container image (charts, encrypted or foreign layers)."""
        suitable.check(lock, Platform.of_this_host())
        suitable.for_containerd(lock)

    def has(self, lock: ImageLock) -> bool:
        """Whether it is there under its own name with our label, and nothing of it is missing since.

        Content may be discarded once it is unpacked (k3s can be set so): the snapshot is then as good.
        """
        return self._state(lock, f"{_named(lock.name)},{_labelled()}") in USABLE

    def load(self, lock: ImageLock, blob: BlobPath) -> None:
        """Import, compare, sync, label: in this order, so that a power cut at any point leaves `has` false."""
        if not self.has(lock):
            self._drop(*_parts(lock))
            try:
                self._import(lock, blob)
            except BaseException:
                with suppress(RuntimeUnreachable):  # what went wrong first is what people must read; unlabelled, it is believed by nobody
                    self._drop(*_parts(lock), settle=_CRI_TIME)
                raise
            os.sync()  # containerd syncs its content and its database, but not the files it unpacked
        self.pin(lock)

    @contextmanager
    def open_blob(self, blob: Descriptor) -> Iterator[BinaryIO | None]:
        """Out of the content store, whichever namespace it came for: its file, else through `ctr` where we may not read that."""
        content = self._plugins.content
        folder = content and content / "blobs"
        if folder is None or not os.access(folder, os.R_OK | os.X_OK):
            with self._ctr.output("content", "get", blob.digest) as pipe:
                yield pipe
            return
        with ExitStack() as stack:
            try:
                file = stack.enter_context(folder.joinpath(*blob.digest.split(":", 1)).open("rb", buffering=0))
            except OSError:
                file = None
            yield file

    def pin(self, lock: ImageLock) -> None:
        """Label it as pinned and ours; an import by anyone drops the labels on 2.x, so this is said anew after each."""
        if not self._ctr.text("images", "ls", "-q", f"{_named(lock.name)},target.digest=={lock.root.digest}").strip():
            return
        answer = self._ctr.ask("images", "label", lock.name, f"{PINNED}=pinned", f"{OURS}={lock.config.digest}")
        if answer.code and not answer.says("not found"):
            raise ImportFailed(f"{lock.name} cannot be pinned", evidence=answer.words)

    def remove(self, lock: ImageLock) -> None:
        """Take our name away and let containerd collect what no other name needs. In use by a container: stays."""
        if self._ctr.text("images", "ls", "-q", f"{_named(lock.name)},{_labelled()}").strip():
            self._drop(*_parts(lock))

    def owned(self) -> frozenset[str]:
        """Every name with our label."""
        return frozenset(self._ctr.text("images", "ls", "-q", _labelled()).split())

    def remove_owned(self, owned: str) -> None:
        """What it is made of stands in its name and in our label."""
        for row in self._ctr.ask("images", "ls", f"{_named(owned)},{_labelled()}").rows():
            labels = dict(label.partition("=")[::2] for label in row.get("LABELS", "").split(","))
            if row.get("REF") == owned and OURS in labels:
                self._drop(owned, row["DIGEST"], labels[OURS])

    def storage(self) -> ImageStorage:
        """Layers as they came in its content store, unpacked ones in its snapshotter; the plugins say where that is."""
        return self._plugins.storage(k3s=self._ctr.service == "k3s")

    @cached_property
    def _plugins(self) -> Plugins:
        return Plugins(self._ctr.text("plugins", "ls", "-d"))

    def inspect(self, locks: Sequence[ImageLock]) -> Mapping[str, ImageStatus]:
        """Two questions for all images: what is whole, and what it is labelled and made for."""
        if not locks:
            return {}
        which = tuple(_named(lock.name) for lock in locks)
        return sights(locks, self._ctr.ask("images", "check", *which), self._ctr.ask("images", "ls", *which))

    def image_names(self) -> frozenset[str]:
        """Of the namespace."""
        return frozenset(self._ctr.text("images", "ls", "-q").split())

    def _import(self, lock: ImageLock, blob: BlobPath) -> None:
        from kelvin_provision.runtimes import archive  # with tarfile behind it; who only looks starts sooner without

        answer = self._ctr.feed("images", "import", "-", chunks=archive.chunks(lock, blob))
        state = self._state(lock, _named(lock.name))
        if answer.code == 0 and state == "complete":
            return
        if answer.says("no space left on device", "disk quota exceeded"):
            raise NoSpace(f"no space left for {lock.name} in containerd", evidence=answer.words)
        if state == "other platform":
            raise ImportFailed(
                f"{lock.name} is not for {lock.platform}, or does not run on {Platform.of_this_host()}; it was taken out again"
            )
        archive.verify(lock, blob)  # the likeliest reason, and the one that ctr cannot name: our own disk
        raise ImportFailed(f"containerd did not take {lock.name}", evidence=answer.words or (f"it is {state} there",))

    def _state(self, lock: ImageLock, which: str) -> str:
        """`absent`, `other platform`, or as `sights.standing`.

        `ctr images check` reads the manifest and looks every blob up by digest. A wrong architecture imports without complaint, so the
        config is read too.
        """
        # It exits with 1 when a manifest is missing, and its row says "error": rows are read whatever the exit code is.
        rows = [row for row in self._ctr.ask("images", "check", which).rows() if row.get("REF") == lock.name]
        state = standing(lock, rows[0]) if rows else "absent"
        if state not in USABLE:
            return state
        platform = self._platform(lock)
        if platform is None:
            return "incomplete"
        wanted = (lock.platform.os, lock.platform.architecture)
        if (platform.os, platform.architecture) != wanted or not Platform.of_this_host().accepts(platform):
            return "other platform"
        return state

    def _platform(self, lock: ImageLock) -> Platform | None:
        """What the config in the content store says; None when it is not there or is not what its digest promises."""
        text = self._ctr.ask("content", "get", lock.config.digest).out
        if not has_digest(text.encode(), lock.config.digest):
            return None
        config = json.loads(text)
        return Platform(config.get("os", ""), config.get("architecture", ""), config.get("variant", ""))

    def _drop(self, name: str, root: str, config: str, *, settle: float = 0.0) -> None:
        """Remove our name for this root digest, and the one the CRI made beside it, unless a container uses the image.

        Waits for the collection. Also before an import: a power cut after an unpack leaves a snapshot whose files may be empty,
        and containerd would unpack nothing over it.
        """
        names = self._names(root)
        if name not in names:
            return
        if settle:
            time.sleep(settle)
            names = self._names(root)
        users = [f"image=={json.dumps(user)}" for user in {*names, config}]
        if self._ctr.text("containers", "ls", "-q", *users).strip():
            return
        gone = [name]
        # The CRI names every image that it sees `sha256:<config>` too, and that name alone would keep it all. Another image
        # with the same config (the same layers, compressed otherwise) does without: the CRI finds it by its own name.
        if set(names) == {name, config}:
            gone.append(config)
        self._ctr.text("images", "rm", "--sync", *gone)

    def _names(self, root: str) -> list[str]:
        return self._ctr.text("images", "ls", "-q", f"target.digest=={root}").split()


def _parts(lock: ImageLock) -> tuple[str, str, str]:
    return lock.name, lock.root.digest, lock.config.digest


def _named(name: str) -> str:
    return f"name=={json.dumps(name)}"


def _labelled() -> str:
    return f"labels.{json.dumps(OURS)}"
