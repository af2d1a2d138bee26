"""Disk space for images: computed over everything that is being staged, and reserved before the first byte (ADR 0015)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from kelvin_provision.errors import NoSpace, ProvisionError, RuntimeUnreachable
from kelvin_provision.files.hashing import sha256_hex
from kelvin_provision.hints import Hint, command
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model.workloads import Revision
from kelvin_provision.quantity import Headroom, format_rounded
from kelvin_provision.refs import Descriptor
from kelvin_provision.runtimes.protocol import ImageStorage, Runtime
from kelvin_provision.spec.deltas import LayerRecord
from kelvin_provision.spec.identity import is_among
from kelvin_provision.spec.lock import ImageLock, every_variant
from kelvin_provision.spec.media_types import COMPRESSIONS
from kelvin_provision.store import Store
from kelvin_provision.store.space import UNPACK_FACTOR, Filesystem, Shortage, SpaceRequest, admit, filesystem_of, merged, shortages

ARCHIVE = "archive"
"""The name of the request for the runtime's temporary copy of an image archive."""


@dataclass(frozen=True)
class Filesystems:
    """The filesystems that images are written to, by purpose; None where nothing is written, or the runtime does not say where."""

    store: Filesystem | None
    unpacked: Filesystem | None = None
    compressed: Filesystem | None = None
    temporary: Filesystem | None = None

    def all(self) -> tuple[Filesystem, ...]:
        """One that serves several purposes is repeated."""
        return tuple(filesystem for filesystem in (self.store, self.unpacked, self.compressed, self.temporary) if filesystem)


def survey(store: Path, keeping: ImageStorage, headroom: Headroom) -> Filesystems:
    """Ask the kernel for the free space of each."""

    def of(path: Path | None) -> Filesystem | None:
        return filesystem_of(path, headroom) if path else None

    return Filesystems(of(store), of(keeping.unpacked), of(keeping.compressed), of(keeping.temporary))


def space_requests(
    locks: Sequence[ImageLock],
    filesystems: Filesystems,
    *,
    present: Callable[[Descriptor], int],
    loaded: Sequence[ImageLock] = (),
    unpacked: Mapping[str, int] = MappingProxyType({}),
    record: Callable[[Descriptor], LayerRecord] = lambda _: LayerRecord(),
) -> tuple[SpaceRequest, ...]:
    """The space that these images need, with their variants in the store and without them in the runtime.

    `present` tells how many bytes of a blob the store has. Images in `loaded` are in the runtime: they need nothing, and what they share
    with `locks` is there. `unpacked` has sizes of layers without compression, by digest, where they are known. `record` tells which layers
    come as deltas: those are uncompressed everywhere.

    Pure. What is written to an unknown filesystem is left out.
    """
    requests = [request for lock in every_variant(locks) for request in _store_requests(lock, filesystems.store, present, record)]
    rebuilt = {layer.digest: plan.rebuilt for lock in locks for layer in lock.layers if (plan := record(layer).plan)}
    unpacked = {**unpacked, **{digest: layer.size for digest, layer in rebuilt.items()}}
    loaded_names, loaded_blobs = {lock.name for lock in loaded}, {blob.digest for lock in loaded for blob in lock.blobs()}
    loaded_chains = {chain for lock in loaded for chain, _ in layer_chains(lock)}
    for lock in locks:
        if lock.name in loaded_names:
            continue
        if filesystem := filesystems.compressed:
            blobs = (rebuilt.get(blob.digest, blob) for blob in lock.blobs() if blob.digest not in loaded_blobs)
            requests += [SpaceRequest(f"runtime {blob.digest}", filesystem.device, blob.size) for blob in blobs]
        if filesystem := filesystems.unpacked:
            layers = ((chain, layer) for chain, layer in layer_chains(lock) if chain not in loaded_chains)
            requests += [_unpacked_request(chain, layer, filesystem, unpacked.get(layer.digest)) for chain, layer in layers]
        if filesystem := filesystems.temporary:
            size = sum(rebuilt.get(blob.digest, blob).size for blob in lock.blobs())
            requests.append(SpaceRequest(ARCHIVE, filesystem.device, size))  # images are loaded one by one: the largest counts
    return merged(requests)


def _store_requests(
    lock: ImageLock, filesystem: Filesystem | None, present: Callable[[Descriptor], int], record: Callable[[Descriptor], LayerRecord]
) -> Iterator[SpaceRequest]:
    if filesystem is None:
        return
    for blob in lock.blobs():
        known = record(blob)
        written = () if known.done else (known.plan.delta, known.plan.rebuilt) if known.plan else (blob,)
        yield from (SpaceRequest(part.digest, filesystem.device, part.size - present(part)) for part in written)


def _unpacked_request(chain: str, layer: Descriptor, filesystem: Filesystem, known: int | None) -> SpaceRequest:
    if known is not None:
        return SpaceRequest(f"unpacked {chain}", filesystem.device, known)
    compressed = COMPRESSIONS.get(layer.media_type) != ""
    size = layer.size * (UNPACK_FACTOR if compressed else 1)
    return SpaceRequest(f"unpacked {chain}", filesystem.device, size, exact=not compressed)


def layer_chains(lock: ImageLock) -> Iterator[tuple[str, Descriptor]]:
    """Layers by chain id: images share an unpacked layer only where all layers below it are the same."""
    chain = ""
    diff_ids = lock.diff_ids if len(lock.diff_ids) == len(lock.layers) else tuple(layer.digest for layer in lock.layers)
    for diff_id, layer in zip(diff_ids, lock.layers, strict=True):
        chain = sha256_hex(f"{chain} {diff_id}")
        yield chain, layer


def queued_before(revision: Revision, ledger: Ledger) -> list[Revision]:
    """Staged revisions that are older and incomplete: they get space first, whichever is being downloaded now."""
    return [other for other in ledger.incomplete_before(revision) if not other.slot.failed]


@contextmanager
def reserved(
    revision: Revision, locks: Sequence[ImageLock], *, ledger: Ledger, store: Store, runtime: Runtime, headroom: Headroom
) -> Iterator[None]:
    """Space for everything that this revision's images still need, reserved while the block runs.

    Raises NoSpace, with the numbers and before anything is downloaded.
    """
    try:
        keeping, loaded = runtime.storage(), loaded_images(ledger, runtime, locks)
    except RuntimeUnreachable:
        keeping, loaded = ImageStorage(), ()  # a download does not need the runtime
    filesystems = survey(store.root, keeping, headroom)

    def requests_of(images: Sequence[ImageLock]) -> tuple[SpaceRequest, ...]:
        return space_requests(images, filesystems, present=store.bytes_present, loaded=loaded, record=store.deltas.of)

    queue = [requests_of(other.locks or ()) for other in queued_before(revision, ledger)]
    requests = requests_of(locks)

    def check(others: Sequence[SpaceRequest]) -> None:
        lacking = shortages(filesystems.all(), requests, admit(filesystems.all(), others, queue))
        refuse_shortages(f"{revision.workload} {revision.spec.app_version}", lacking)

    with ExitStack() as stack:
        try:
            stack.enter_context(store.reserve(requests, check))
        except NoSpace as error:
            raise _with_advice(error, prunable_bytes(ledger, store, filesystems)) from error
        yield


def loaded_images(ledger: Ledger, runtime: Runtime, locks: Sequence[ImageLock]) -> tuple[ImageLock, ...]:
    """The kept images that the runtime has, and that have a layer of these."""
    owned = runtime.owned()
    return tuple(lock for lock in ledger.images_like(locks) if is_among(lock, owned))


def prunable_bytes(ledger: Ledger, store: Store, filesystems: Filesystems) -> int:
    """What `images prune` would free; an estimate for the runtime's part, and 0 where it cannot be computed."""
    with suppress(ProvisionError):
        kept = ledger.kept_locks()
        images = ledger.unneeded_images()
        unneeded = space_requests(images, filesystems, present=lambda blob: blob.size, loaded=kept, record=store.deltas.of)
        in_runtime = sum(request.bytes for request in unneeded if request.name != ARCHIVE)
        return store.reclaimable(kept, quarantined=True) + in_runtime
    return 0


def refuse_shortages(what: str, lacking: Sequence[Shortage], *, hint: Hint | str = "") -> None:
    """Raises NoSpace with the numbers, if there is a shortage."""
    if lacking:
        raise NoSpace(f"not enough disk space for {what}: {'; '.join(map(describe, lacking))}", hint=hint)


def describe(shortage: Shortage) -> str:
    """`/var needs 3.1 GiB (2.4 GiB of it estimated) and has 1.2 GiB available (1.6 GiB kept free)`."""
    filesystem = shortage.filesystem
    estimate = f" ({format_rounded(shortage.estimated, up=True)} of it estimated)" if shortage.estimated else ""
    apart = [f"{format_rounded(filesystem.headroom)} kept free"] if filesystem.headroom else []
    apart += [f"{format_rounded(shortage.reserved, up=True)} reserved for other workloads"] if shortage.reserved else []
    unavailable = f" ({', '.join(apart)})" if apart else ""
    needed, usable = format_rounded(shortage.needed, up=True), format_rounded(shortage.usable)
    return f"{filesystem.mount_point} needs {needed}{estimate} and has {usable} available{unavailable}"


def _with_advice(error: NoSpace, prunable: int) -> NoSpace:
    if not prunable:
        return NoSpace(str(error), hint="free some space; staging continues by itself, and nothing was lost")
    return NoSpace(f"{error}; images prune would free {format_rounded(prunable)}", hint=command("images prune"))
