"""The media of imported bundles: which of them staged versions still need, and whether they are here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from kelvin_provision.bundles.model import Contents
from kelvin_provision.check_result import CheckFinding, ok, warning
from kelvin_provision.checks.runner import Check, Fact
from kelvin_provision.context import Context
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.hints import command
from kelvin_provision.ledger.reading.bundles import ImportedBundle
from kelvin_provision.media import kept
from kelvin_provision.media.finding import Finder
from kelvin_provision.media.mounts import Mounts
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.store import Store


@dataclass(frozen=True)
class MediumState:
    """`waiting`: workloads that need bytes of it. `missing`: the parts with these bytes that are not here, 0 for an uncut bundle."""

    bundle: ImportedBundle
    waiting: tuple[str, ...] = ()
    missing: tuple[int, ...] = ()


def media(states: Sequence[MediumState]) -> Iterator[CheckFinding]:
    """`media`: what a staged version still needs is on a medium that is here."""
    if not states:
        yield ok("no bundles were imported")
    for state in states:
        signed = f"signed by {', '.join(state.bundle.signers)}" if state.bundle.signers else "not signed"
        what = f"bundle {state.bundle.name} {state.bundle.digest[:19]}, {signed}"
        names = ", ".join(state.waiting)
        if not state.waiting:
            yield ok(f"{what}: all that was needed of it is on this box")
        elif not state.missing:
            yield ok(f"{what}: here; {names} needs it until it is ready")
        else:
            part = ", ".join(f"part {number}" for number in state.missing if number)
            hint = command("workloads list", "--staged", instruction="insert it and leave it in until all is ready")
            yield warning(f"{what}: {f'{part} of it' if part else 'it'} is not here, and {names} waits for it", hint)


CHECK = Check("media", "Media", "A staged version is complete only when its medium was copied.", media, ("media",))


def fact(ctx: Context) -> Fact[tuple[MediumState, ...]]:
    return Fact(lambda: tuple(_states(ctx)) if ctx.connections.has_ledger else ())


def _states(ctx: Context) -> Iterator[MediumState]:
    bundles = ctx.ledger.bundles()
    staged = [workload.staged for workload in ctx.ledger.readable_staged().workloads.values()] if bundles else []
    finder = Finder(Mounts())
    for bundle in bundles:
        contents = kept.load(ctx.settings.state_dir, bundle.digest)
        needing = {
            revision.workload: revision.locks or ()
            for revision in staged
            if revision and revision.bundle == bundle.digest and revision.in_motion
        }
        digests = _needed(needing.values(), contents, ctx.store) if contents else ()
        waiting = tuple(name for name, locks in needing.items() if not locks or (contents and _needed([locks], contents, ctx.store)))
        yield MediumState(bundle, waiting, _missing(finder, bundle, contents, digests) if contents and waiting else ())


def _needed(locks: Iterable[Sequence[ImageLock]], contents: Contents, store: Store) -> tuple[str, ...]:
    blobs = {blob.digest: blob for some in locks for lock in some for blob in lock.blobs_of_all()}
    plans = store.deltas.plans(lock for some in locks for lock in some)
    parts = [(plans[digest].delta if digest in plans else blob) for digest, blob in blobs.items()]
    return tuple(part.digest for part in parts if part.digest in contents.by_digest and store.bytes_present(part) < part.size)


def _missing(finder: Finder, bundle: ImportedBundle, contents: Contents, digests: Sequence[str]) -> tuple[int, ...]:
    files = finder.files(bundle, contents)
    if files.whole:
        return ()
    needed = {part for digest in digests for part in _parts(contents, digest)} or {1}
    missing = sorted(part for part in needed if part not in files.paths)
    return tuple(missing) if len(contents.parts) > 1 else tuple(0 for _ in missing)


def _parts(contents: Contents, digest: str) -> range:
    extent = contents.by_digest[digest]
    return range(contents.part_of(extent.offset)[0], contents.part_of(max(extent.end - 1, extent.offset))[0] + 1)
