"""Space for images: what they need is reckoned over all that is under way, and reserved before the first byte (ADR 0015)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from kelvin_provision.errors import NoSpace, ProvisionError, RuntimeUnreachable
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model import Revision, Workload
from kelvin_provision.quantity import Headroom, format_rounded
from kelvin_provision.refs import Descriptor
from kelvin_provision.runtimes.protocol import Keeping, Runtime
from kelvin_provision.spec.enums import Download
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.store import Store
from kelvin_provision.store.space import UNPACKED, Filesystem, Shortage, SpaceRequest, admit, merged, room_at, shortages

PACKED = ("gzip", "zstd")


@dataclass(frozen=True)
class Filesystems:
    """The filesystems that matter here, by what goes there; None where nothing does, or nobody knows."""

    store: Filesystem | None
    unpacked: Filesystem | None = None
    compressed: Filesystem | None = None
    temporary: Filesystem | None = None

    @property
    def rooms(self) -> tuple[Filesystem, ...]:
        """All of them; one that serves for several things may come more than once."""
        return tuple(room for room in (self.store, self.unpacked, self.compressed, self.temporary) if room)


def survey(store: Path, keeping: Keeping, headroom: Headroom) -> Filesystems:
    """A look at the disks of this box."""

    def room(path: Path | None) -> Filesystem | None:
        return room_at(path, headroom) if path else None

    return Filesystems(room(store), room(keeping.unpacked), room(keeping.compressed), room(keeping.temporary))


def needs(
    locks: Sequence[ImageLock], ground: Filesystems, *, present: Callable[[Descriptor], int], loaded: Sequence[ImageLock] = ()
) -> tuple[SpaceRequest, ...]:
    """What it takes to have these images in the store and in the runtime; `present` says how much of a blob the store has.

    Images in `loaded` are in the runtime: what they share with the wanted ones is there, and they themselves need nothing.
    Pure. What goes to a filesystem that nobody knows is left out.
    """
    found = [need for lock in locks for need in _stored(lock, ground.store, present)]
    ours, content = {lock.name for lock in loaded}, {blob.digest for lock in loaded for blob in lock.blobs()}
    chains = {chain for lock in loaded for chain, _ in layers(lock)}
    for lock in locks:
        if lock.name in ours:
            continue
        if room := ground.compressed:
            new = (blob for blob in lock.blobs() if blob.digest not in content)
            found += [SpaceRequest(f"runtime {blob.digest}", room.device, blob.size) for blob in new]
        if room := ground.unpacked:
            missing = ((chain, layer) for chain, layer in layers(lock) if chain not in chains)
            found += [SpaceRequest(f"unpacked {chain}", room.device, unpacked(layer), sure=not packed(layer)) for chain, layer in missing]
        if room := ground.temporary:
            found.append(SpaceRequest("archive", room.device, lock.size))  # images are loaded one after the other: the largest counts
    return merged(found)


def _stored(lock: ImageLock, room: Filesystem | None, present: Callable[[Descriptor], int]) -> Iterator[SpaceRequest]:
    if room:
        yield from (SpaceRequest(blob.digest, room.device, blob.size - present(blob)) for blob in lock.blobs())


def layers(lock: ImageLock) -> Iterator[tuple[str, Descriptor]]:
    """Layers with the names of their unpacked copies: one is shared by images that have it on top of the same layers."""
    chain = ""
    names = lock.diff_ids if len(lock.diff_ids) == len(lock.layers) else tuple(layer.digest for layer in lock.layers)
    for name, layer in zip(names, lock.layers, strict=True):
        chain = sha256(f"{chain} {name}".encode()).hexdigest()
        yield chain, layer


def packed(layer: Descriptor) -> bool:
    """Whether it grows when it is unpacked."""
    return layer.media_type.endswith(PACKED)


def unpacked(layer: Descriptor) -> int:
    """An estimate, unless the layer is not compressed."""
    return layer.size * (UNPACKED if packed(layer) else 1)


def ahead(revision: Revision, workloads: Sequence[Workload]) -> list[Revision]:
    """Staged revisions that came earlier and are not complete: they get room first, whoever of them is being downloaded just now."""
    waiting = [found.staged for found in workloads if found.staged and found.staged.locks and not found.staged.blocked]
    earlier = [other for other in waiting if other.download is not Download.READY and _place(other) < _place(revision)]
    return sorted(earlier, key=_place)


def _place(revision: Revision) -> tuple[str, str]:
    return revision.created, revision.workload


@contextmanager
def reserved(
    revision: Revision, locks: Sequence[ImageLock], *, ledger: Ledger, store: Store, runtime: Runtime, headroom: Headroom
) -> Iterator[None]:
    """Room for all that this revision's images still need, while the block runs. Raises NoSpace with the numbers, and nothing is begun."""
    try:
        keeping, loaded = runtime.keeping(), in_runtime(ledger, runtime)
    except RuntimeUnreachable:
        keeping, loaded = Keeping(), ()  # a download need not wait for it
    ground = survey(store.root, keeping, headroom)

    def wanted(by: Sequence[ImageLock]) -> tuple[SpaceRequest, ...]:
        return needs(by, ground, present=store.present, loaded=loaded)

    queue = [wanted(other.locks or ()) for other in ahead(revision, ledger.workloads())]
    mine = wanted(locks)

    def judge(promised: Sequence[SpaceRequest]) -> None:
        short = shortages(ground.rooms, mine, admit(ground.rooms, promised, queue))
        if short:
            raise NoSpace(f"no room for {revision.workload} {revision.spec.app_version}: {'; '.join(map(words, short))}")

    with ExitStack() as stack:
        try:
            stack.enter_context(store.reserving(mine, judge))
        except NoSpace as error:
            raise _with_advice(error, would_free(ledger, store, ground)) from error
        yield


def in_runtime(ledger: Ledger, runtime: Runtime) -> tuple[ImageLock, ...]:
    """The kept images that the runtime has."""
    owned = runtime.owned()
    return tuple(lock for lock in ledger.kept_locks() if lock.name in owned or lock.config.digest in owned)


def would_free(ledger: Ledger, store: Store, ground: Filesystems) -> int:
    """What `images prune` would free, as far as it is known; what it frees in the runtime is an estimate."""
    with suppress(ProvisionError):
        kept = ledger.kept_locks()
        gone = needs(ledger.unneeded_images(), ground, present=lambda blob: blob.size, loaded=kept)
        return store.surplus(kept, aside=True) + sum(need.bytes for need in gone if need.what != "archive")
    return 0


def words(short: Shortage) -> str:
    """`/var needs 3.1 GiB (2.4 GiB of it an estimate) and has 1.2 GiB, besides 1.6 GiB that is kept free`."""
    guess = f" ({format_rounded(short.guessed, up=True)} of it an estimate)" if short.guessed else ""
    apart = [f"{format_rounded(short.room.kept)} that is kept free"] if short.room.kept else []
    apart += [f"{format_rounded(short.promised, up=True)} for what came first"] if short.promised else []
    besides = f", besides {' and '.join(apart)}" if apart else ""
    return f"{short.room.place} needs {format_rounded(short.needed, up=True)}{guess} and has {format_rounded(short.usable)}{besides}"


def _with_advice(error: NoSpace, prunable: int) -> NoSpace:
    if not prunable:
        return NoSpace(str(error), hint="free some space; it goes on by itself when there is room, nothing was lost")
    return NoSpace(f"{error}; images prune would free {format_rounded(prunable)}", hint="kelvin-provision images prune")
