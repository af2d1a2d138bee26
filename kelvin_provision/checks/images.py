"""Checks of the images of an apply: what is staged, stored, in the runtime, on the nodes, for this platform, and room for it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from kelvin_provision.check_result import CheckFinding, error, ok, skipped, warning
from kelvin_provision.hints import command
from kelvin_provision.nodes.where.standing import Standing
from kelvin_provision.quantity import format_bytes
from kelvin_provision.refs import Descriptor
from kelvin_provision.runtimes.protocol import ImageStatus, RuntimeInfo
from kelvin_provision.spec.enums import Download, Method
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.rebuilt import NO_PLAIN, PlainLayers
from kelvin_provision.store import BlobState
from kelvin_provision.store.space import UNPACK_FACTOR
from kelvin_provision.wait_reason import describe

AGAIN = command("workloads deploy", "-f", "FILE", note="it needs a network")
VERIFY = command("images verify")
VERIFY_AND_AGAIN = command("images verify", note="then deploy it again, while there is a network")
STATUS = command("agent status")
_WITHOUT_IT = command("config set", "staging.nodes", "available", instruction="bring the node back, or do not wait for nodes that are away")
SPARE = 256 << 20
"""Bytes that should stay free in addition: kubelets remove images when a disk fills up."""


class Staged(NamedTuple):
    """The staged revision of a workload; `done` of `total` bytes are in the store."""

    workload: str
    version: str
    method: Method
    download: Download
    error: str = ""
    locks: tuple[ImageLock, ...] | None = None
    done: int = 0
    total: int = 0


class Stored(NamedTuple):
    """An image of a workload, and its blobs that are not verified in the store. `rebuilt`: layers that it has without compression."""

    workload: str
    lock: ImageLock
    bad: tuple[tuple[Descriptor, BlobState], ...] = ()
    rebuilt: PlainLayers = NO_PLAIN

    @property
    def kept(self) -> tuple[Descriptor, ...]:
        """Its blobs as they are in the store."""
        return tuple(self.rebuilt.get(blob.digest, blob) for blob in self.lock.blobs())

    @property
    def lacking(self) -> bool:
        """Whether it cannot be imported from the store."""
        return any(state in {BlobState.MISSING, BlobState.WRONG_SIZE} for _, state in self.bad)


class Disk(NamedTuple):
    """A filesystem that will be written to; `what` is stored there."""

    what: str
    path: str
    free: int


def locks_of(staged: Iterable[Staged]) -> tuple[ImageLock, ...]:
    """All images, each once."""
    return tuple({lock.name: lock for revision in staged for lock in revision.locks or ()}.values())


def complete(staged: Sequence[Staged]) -> Iterator[CheckFinding]:
    """`staged`: all images are downloaded, verified and imported."""
    for revision in staged:
        if revision.download is Download.READY or revision.method is Method.STANDARD:
            continue
        where = f" ({format_bytes(revision.done)} of {format_bytes(revision.total)})" if revision.done < revision.total else ""
        cause = f": {revision.error}" if revision.error else ""
        then = STATUS if revision.error else command("workloads wait", "--for", "ready", names=(revision.workload,))
        yield error(f"version {revision.version} is {revision.download.value}, not ready{where}{cause}", then, revision.workload)
    good = [revision for revision in staged if revision.download is Download.READY or revision.method is Method.STANDARD]
    if len(good) == len(staged):
        versions = ", ".join(f"{revision.workload} {revision.version}" for revision in staged)
        locks = locks_of(staged)
        yield ok(f"{versions}: {_count(len(locks), 'image')}, {format_bytes(_size(locks))}")


def stored(images: Sequence[Stored], statuses: Mapping[str, ImageStatus]) -> Iterator[CheckFinding]:
    """`store`: the blobs to import an image again. An image that is in the runtime can be applied without them."""
    if not images:
        yield skipped("no staged image")
    for image in images:
        there = _status(image, statuses).usable
        for blob, state in image.bad:
            text = f"{image.lock.reference}: {blob.digest[:19]} ({format_bytes(blob.size)}) is {state.value}"
            if state is BlobState.UNVERIFIED:
                yield warning(f"{text}; it will be verified when it is used", VERIFY, image.workload)
            elif there:
                yield warning(f"{text}; the image is in the runtime, but could not be imported again", VERIFY_AND_AGAIN, image.workload)
            else:
                yield error(text, AGAIN, image.workload)
    if images and not any(image.bad for image in images):
        blobs = {blob.digest: blob for image in images for blob in image.kept}
        yield ok(f"{_count(len(blobs), 'blob')}, {format_bytes(sum(blob.size for blob in blobs.values()))}, all verified")


def hashed(images: Sequence[Stored], wrong: Mapping[str, str], statuses: Mapping[str, ImageStatus]) -> Iterator[CheckFinding]:
    """`deep`: the content of all blobs matches their digests."""
    for image in images:
        for blob in image.kept:
            if blob.digest in wrong:
                text = f"{image.lock.reference}: {blob.digest[:19]} {wrong[blob.digest]}"
                there = _status(image, statuses).usable
                then = VERIFY_AND_AGAIN
                if there:
                    yield warning(f"{text}; the image is in the runtime, but could not be imported again", then, image.workload)
                else:
                    yield error(text, then, image.workload)
    if not wrong:
        blobs = {blob.digest: blob for image in images for blob in image.kept}
        yield ok(f"{_count(len(blobs), 'blob')}, {format_bytes(sum(blob.size for blob in blobs.values()))} verified again, no errors")


def in_runtime(images: Sequence[Stored], statuses: Mapping[str, ImageStatus], runtime: RuntimeInfo) -> Iterator[CheckFinding]:
    """`images`: in the runtime by digest. Apply imports a missing image if the store has it."""
    if not images:
        yield skipped("no staged image")
    for image in images:
        status = _status(image, statuses)
        if status.usable and status.ours:
            continue
        what = f"{image.lock.reference} is {status.state} in {runtime.name}"
        if status.usable:
            yield warning(
                f"{what}, but without our label; apply adds it", command("workloads apply", names=(image.workload,)), image.workload
            )
        elif image.lacking:
            yield error(f"{what}, and cannot be imported from the store", AGAIN, image.workload)
        else:
            yield warning(f"{what}; apply or the agent imports it from the store", STATUS, image.workload)
    if images and all(_status(image, statuses).ours and _status(image, statuses).usable for image in images):
        yield ok(f"{_count(len(images), 'image')} in {runtime.name} {runtime.version}, by digest")


def platform(images: Sequence[Stored], runtime: RuntimeInfo) -> Iterator[CheckFinding]:
    """`platform`: that of this node."""
    wrong = [image for image in images if not runtime.platform.accepts(image.lock.platform)]
    for image in wrong:
        yield error(f"{image.lock.reference} is for {image.lock.platform}; this node is {runtime.platform}", AGAIN, image.workload)
    if images and not wrong:
        yield ok(f"{_count(len(images), 'image')} for {runtime.platform}")
    if not images:
        yield skipped("no staged image")


def pinned(images: Sequence[Stored], statuses: Mapping[str, ImageStatus], runtime: RuntimeInfo) -> Iterator[CheckFinding]:
    """`pins`: the kubelet's image garbage collection skips them."""
    there = [image for image in images if _status(image, statuses).usable]
    loose = [image for image in there if not _status(image, statuses).pinned]
    for image in loose:
        yield warning(f"{image.lock.reference} is not pinned; apply and the agent pin it", STATUS, image.workload)
    if not there:
        yield skipped("no image in the runtime")
    elif not runtime.pins:
        text = f"{runtime.name} {runtime.version} does not support pinned images: the agent imports removed images again within 30 s"
        yield warning(text, command("agent install"))
    elif not loose:
        yield ok(f"{_count(len(there), 'image')} pinned")


def space(images: Sequence[Stored], statuses: Mapping[str, ImageStatus], disks: Sequence[Disk]) -> Iterator[CheckFinding]:
    """`space`: for the images that must be imported again."""
    back = {image.lock.name: image.lock for image in images if not _status(image, statuses).usable}
    needed = (1 + UNPACK_FACTOR) * _size(back.values())  # the compressed content and the unpacked layers
    for disk in disks:
        if disk.free < needed:
            what = f"unpacking {_count(len(back), 'image')} takes about {format_bytes(needed)}"
            text = f"{disk.what} ({disk.path}) has {format_bytes(disk.free)} free; {what}"
            yield error(text, command("images prune"))
        elif disk.free < needed + SPARE:
            yield warning(f"{disk.what} ({disk.path}) has only {format_bytes(disk.free)} free", command("images prune"))
        else:
            more = f", about {format_bytes(needed)} needed to unpack {_count(len(back), 'image')}" if back else ", nothing to unpack"
            yield ok(f"{format_bytes(disk.free)} free for {disk.what}{more}")
    if not disks:
        yield skipped("the runtime does not report its image directory")


def _size(locks: Iterable[ImageLock]) -> int:
    """Bytes of all blobs, shared ones once."""
    return sum(blob.size for blob in {blob.digest: blob for lock in locks for blob in lock.blobs()}.values())


def _status(image: Stored, statuses: Mapping[str, ImageStatus]) -> ImageStatus:
    return statuses.get(image.lock.name) or ImageStatus("absent")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def spread(standings: Mapping[str, Standing]) -> Iterator[CheckFinding]:
    """`nodes`: whether each node that may run a version has its images."""
    for workload, standing in standings.items():
        if standing.reason is None:
            yield ok(f"{workload}: on all {standing.total} nodes that may run it" if standing.total > 1 else f"{workload}: on its node")
        elif standing.ready:
            yield warning(f"{describe(standing.reason)}; its pods are kept to the others", name=workload)
        else:
            yield error(describe(standing.reason), _WITHOUT_IT, workload)
    if not standings:
        yield ok("nothing staged has images of its own")
