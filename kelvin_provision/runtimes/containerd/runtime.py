"""containerd, k3s's own or any other, through `ctr`: names, labels and what makes an image complete.

The only option of the import is `-`: `--digests`, `--local`, `--label` and `--sync-fs` differ between 1.6 and 2.x.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from typing import BinaryIO

from kelvin_provision.errors import ImportFailed, OurBug, RuntimeFailed, RuntimeUnreachable
from kelvin_provision.files.hashing import has_digest
from kelvin_provision.refs import Descriptor, Platform
from kelvin_provision.runtimes import suitability
from kelvin_provision.runtimes.complaints import own_trouble
from kelvin_provision.runtimes.containerd.ctr import Ctr, Result
from kelvin_provision.runtimes.containerd.image_status import OURS, PINNED, content_state, image_statuses, labels_of, original_of
from kelvin_provision.runtimes.containerd.names import Names, local_labels, named
from kelvin_provision.runtimes.containerd.plugins import Plugins
from kelvin_provision.runtimes.protocol import USABLE, BlobPath, ImageStatus, ImageStorage, RuntimeInfo
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.rebuilt import NO_PLAIN, LocalImage, PlainLayers

_CRI_DELAY = 0.5
"""Seconds until the CRI has added its own name to an imported image; removed sooner, ours would go and that name would stay."""

_PINS_SINCE = (1, 7)
_HAS_OUR_LABEL = f"labels.{json.dumps(OURS)}"


class ContainerdRuntime:
    """The images of one namespace. An image gets our label once it is complete and synced to disk; no other image is ours."""

    name = "containerd"

    def __init__(self, address: str, namespace: str = "k8s.io", command: tuple[str, ...] = ("ctr",), *, runs_32_bit: bool = False) -> None:
        self._ctr = Ctr(address, namespace, command)
        self._names = Names(self._ctr)
        self._node = Platform.of_this_host(runs_32_bit=runs_32_bit)

    def info(self) -> RuntimeInfo:
        """The CRI honours pins since 1.7."""
        version = re.search(r"Server:\s+Version:\s+v?((\d+)\.(\d+)\S*)", self._ctr.output("version"))
        if version is None:
            raise OurBug("the output of `ctr version` has no version of the server")
        pins = (int(version[2]), int(version[3])) >= _PINS_SINCE
        return RuntimeInfo(self.name, version[1], self._node, pins)

    def check(self, lock: ImageLock) -> None:
        """Refuses another platform, and what is not a container image (charts, encrypted or foreign layers)."""
        suitability.check(lock, self.info())

    def has(self, lock: ImageLock) -> bool:
        """Whether it has its own name and our label, and nothing of it is missing since.

        k3s can be set to discard content once it is unpacked: the snapshot is as good then.
        """
        return self._state(lock, f"{named(lock.name)},{_HAS_OUR_LABEL}") in USABLE

    def load(self, lock: ImageLock, blob: BlobPath, plain: PlainLayers = NO_PLAIN) -> None:
        """Import, compare, sync, label, in this order: after a power cut at any point `has` is false."""
        if not self.has(lock):
            self._names.remove_image(lock)
            try:
                self._import(LocalImage(lock, plain), blob)
            except BaseException:
                with suppress(RuntimeUnreachable):  # the first error is the one to report; without our label the image counts as absent
                    self._names.remove_image(lock, delay=_CRI_DELAY)
                raise
            self.sync()
        self.pin(lock)

    @contextmanager
    def open_blob(self, blob: Descriptor) -> Iterator[BinaryIO | None]:
        """From the content store, whichever namespace it belongs to: its file, or through `ctr` where we may not read that."""
        store = self._plugins.content_store
        folder = store and store / "blobs"
        if folder is None or not os.access(folder, os.R_OK | os.X_OK):
            with self._ctr.open_output("content", "get", blob.digest) as pipe:
                yield pipe
            return
        with ExitStack() as stack:
            try:
                file = stack.enter_context(folder.joinpath(*blob.digest.split(":", 1)).open("rb", buffering=0))
            except OSError:
                file = None
            yield file

    def pin(self, lock: ImageLock) -> None:
        """On 2.x an import by another client drops labels, so they are set again after each."""
        target = self._names.target(lock.name, lock)
        if target is None:
            return
        labels = (f"{PINNED}=pinned", f"{OURS}={lock.config.digest}", *local_labels(lock, target))
        result = self._ctr.run("images", "label", lock.name, *labels)
        if result.code and not result.reports("not found"):
            trouble = own_trouble(f"{lock.name} in containerd", result.complaint, result.stderr)
            raise trouble or ImportFailed(f"{lock.name} cannot be pinned", evidence=result.stderr)

    def remove(self, lock: ImageLock) -> None:
        """Containerd then collects what no other name needs."""
        if self._ctr.output("images", "ls", "-q", f"{named(lock.name)},{_HAS_OUR_LABEL}").strip():
            self._names.remove_image(lock)

    def owned(self) -> frozenset[str]:
        """A local name has no digest in it; it has our label only if a crash came between `ctr images tag` and the next command."""
        return frozenset(name for name in self._ctr.output("images", "ls", "-q", _HAS_OUR_LABEL).split() if "@" in name)

    def remove_owned(self, owned: str) -> None:
        """The table has the image's digest, and our label that of the config."""
        for row in self._ctr.run("images", "ls", f"{named(owned)},{_HAS_OUR_LABEL}").rows():
            config = labels_of(row).get(OURS)
            if row.get("REF") == owned and config is not None:
                self._names.remove_name(owned, row["DIGEST"], config)

    def set_name(self, name: str, lock: ImageLock) -> None:
        """A second name of the same target, pinned like the first. `ctr images tag` of 1.6 copies our label, which is for staged images."""
        target = self._names.target(lock.name, lock)
        if target is None:
            return
        if self._names.rows(name).get(name, {}).get("DIGEST") != target:
            self._ctr.output("images", "tag", "--force", lock.name, name)
        self._ctr.output("images", "label", name, f"{PINNED}=pinned", f"{OURS}=", *local_labels(lock, target))

    def clear_name(self, name: str, lock: ImageLock) -> None:
        """The last name of an image goes as in `remove`: not while a container uses the image, and with the name that the CRI adds."""
        target = self._names.target(name, lock)
        if target is None:
            return
        if lock.name in self._names.of(target):
            self._ctr.output("images", "rm", name)
        else:
            self._names.remove_name(name, target, lock.config.digest)

    def targets(self, names: Collection[str]) -> Mapping[str, str]:
        return {name: original_of(row["DIGEST"], labels_of(row)) for name, row in self._names.rows(*names).items()}

    def storage(self) -> ImageStorage:
        return self._plugins.storage(k3s=self._ctr.service == "k3s")

    @cached_property
    def _plugins(self) -> Plugins:
        return Plugins(self._ctr.output("plugins", "ls", "-d"))

    def inspect(self, locks: Sequence[ImageLock]) -> Mapping[str, ImageStatus]:
        """With two processes for all images."""
        if not locks:
            return {}
        filters = tuple(named(lock.name) for lock in locks)
        return image_statuses(locks, self._ctr.run("images", "check", *filters), self._ctr.run("images", "ls", *filters))

    def sync(self) -> None:
        """Containerd syncs its content and its database, but not the files that it unpacks."""
        os.sync()

    def image_names(self) -> frozenset[str]:
        """Of the namespace."""
        return frozenset(self._ctr.output("images", "ls", "-q").split())

    def _import(self, image: LocalImage, blob: BlobPath) -> None:
        lock, present = image.lock, self._present(image)
        result, state = self._feed(image, blob, present)
        trouble = own_trouble(f"{lock.name} in containerd", result.complaint, result.stderr)
        if present and state in {"absent", "incomplete", "unpacked"} and result.code >= 0 and not trouble:
            self._names.remove_image(lock)  # a layer may have been collected since it was asked for
            result, state = self._feed(image, blob, frozenset())
            trouble = own_trouble(f"{lock.name} in containerd", result.complaint, result.stderr)
        if result.code == 0 and state == "complete":
            return
        if trouble:
            raise trouble
        if result.code < 0:
            evidence = (*result.stderr, f"ctr was killed by signal {-result.code}")
            raise RuntimeFailed(f"the import of {lock.name} in containerd failed", evidence=evidence)
        if state == "other platform":
            raise ImportFailed(f"{lock.name} is not for {lock.platform}, or does not run on {self._node}; it was removed again")
        from kelvin_provision.runtimes import archive  # loads tarfile, which reading commands do not need

        archive.verify(lock, blob, image.plain)  # the most likely cause is a corrupt blob in our own store, which ctr cannot name
        raise ImportFailed(f"containerd did not import {lock.name}", evidence=result.stderr or (f"the image is {state}",))

    def _feed(self, image: LocalImage, blob: BlobPath, absent: frozenset[str]) -> tuple[Result, str]:
        """What `ctr` says, and the state of the image then."""
        from kelvin_provision.runtimes import archive

        stream = archive.chunks(image.lock, blob, plain=image.plain, absent=absent)
        return self._ctr.feed("images", "import", "-", chunks=stream), self._state(image.lock, named(image.lock.name))

    def _present(self, image: LocalImage) -> frozenset[str]:
        """The layers that are in the content of this namespace: what another namespace has is not given to it."""
        filters = tuple(f"digest=={digest}" for digest in sorted({layer.digest for layer in image.layers}))
        return frozenset(self._ctr.output("content", "ls", "-q", *filters).split()) if filters else frozenset()

    def _state(self, lock: ImageLock, image_filter: str) -> str:
        """`absent`, `other platform`, or as `content_state`.

        `ctr images check` reads the manifest and looks up every blob by digest. An image of another architecture is imported without an
        error, so its config is read too.
        """
        # The exit code is 1 when a manifest is missing, and the row is there: rows are read whatever the exit code is.
        rows = [row for row in self._ctr.run("images", "check", image_filter).rows() if row.get("REF") == lock.name]
        state = content_state(lock, rows[0], self._names.original(lock, rows[0].get("DIGEST", ""))) if rows else "absent"
        if state not in USABLE:
            return state
        platform = self._platform(lock)
        if platform is None:
            return "incomplete"
        same = (platform.os, platform.architecture) == (lock.platform.os, lock.platform.architecture)
        return state if same and self._node.accepts(platform) else "other platform"

    def _platform(self, lock: ImageLock) -> Platform | None:
        """From the config in the content store; None when it is missing or has other content than its digest says."""
        text = self._ctr.run("content", "get", lock.config.digest).stdout
        if not has_digest(text.encode(), lock.config.digest):
            return None
        config = json.loads(text)
        return Platform(config.get("os", ""), config.get("architecture", ""), config.get("variant", ""))
