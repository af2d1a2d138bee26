"""Where the images of a bundle or of a delta come from: registries, through the store of this desk, or an OCI image layout on its disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import chain, zip_longest
from pathlib import Path
from typing import BinaryIO

from kelvin_provision.bundles.limits import IMAGE_SIGNATURES
from kelvin_provision.bundles.model import Extent
from kelvin_provision.context import Context
from kelvin_provision.desk.published import bring_published, rebuilt_layers
from kelvin_provision.errors import ImageUnsupported, ProvisionError, RegistryUnreachable, UsageRefused
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.hints import command, system
from kelvin_provision.refs import Descriptor, Platform, Reference
from kelvin_provision.registry.layout_folder import LayoutFolder
from kelvin_provision.registry.protocol import Blobs, SignatureDocuments
from kelvin_provision.runtimes.archive import FileSlice
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.signatures import SignatureFiles
from kelvin_provision.staging.download import resolved
from kelvin_provision.staging.signatures import arrived
from kelvin_provision.store import Store

REGISTRY, STORE, DOCKER = "registry", "store", "docker"
BUNDLE = ("bundle create", "--from")
Selection = Sequence[tuple[Reference, Platform]]


@dataclass(frozen=True)
class Images:
    """`fetch` brings what is not here yet; `open` opens a blob that is here; `forget` removes what earlier bundles needed.

    `signatures` are all that were found: which keys a box trusts is not known here.
    """

    locks: tuple[ImageLock, ...]
    fetch: Callable[[], None]
    open: Callable[[Extent], BinaryIO]
    signatures: Mapping[ImageLock, tuple[SignatureFiles, ...]]
    renew: Callable[[], bool] = lambda: False
    """Whether a damaged blob was found, so that it is fetched again."""
    forget: Callable[[], int] = lambda: 0
    without: frozenset[str] = frozenset()
    """Layers that are left out, by digest: they are neither fetched nor opened."""


LeaveOut = Callable[[Sequence[ImageLock]], frozenset[str]]
"""From the images of a bundle to the layers that its boxes have already."""


@contextmanager
def gathered(
    ctx: Context, source: str, selection: Selection, leave_out: LeaveOut = lambda _: frozenset(), *, option: tuple[str, str] = BUNDLE
) -> Iterator[Images]:
    """The images for the block, leased. `option`: of which command `source` is which option.

    Raises as `Source.resolve`; FileUnreadable, UsageRefused, ImageUnsupported for the source.
    """
    if source == REGISTRY:
        with _from_registries(ctx, selection, leave_out) as images:
            yield images
    elif source == STORE:
        with _from_layout(ctx, ctx.store.layout.images, selection, leave_out) as images:
            yield images
    elif source == DOCKER or source.startswith(("docker:", "docker-daemon:")):
        raise ImageUnsupported(
            "Docker Engine keeps layers unpacked; they are needed as a registry has them, and packed again they get other digests",
            hint=system("skopeo", "copy", "docker-daemon:APP:1.0", "oci:FOLDER:HOST/APP:1.0", note=f"and then {option[1]} FOLDER"),
        )
    elif not Path(source).is_dir():
        raise UsageRefused(f"{option[1]} {source} is not a folder", hint=command(option[0], option[1], f"{REGISTRY}|{STORE}|FOLDER", "..."))
    else:
        with _from_layout(ctx, Path(source), selection, leave_out) as images:
            yield images


@contextmanager
def _from_registries(ctx: Context, selection: Selection, leave_out: LeaveOut) -> Iterator[Images]:
    store = ctx.store
    with ExitStack() as stack:
        by_platform: dict[tuple[Reference, Platform], ImageLock] = {}
        for platform in dict.fromkeys(platform for _, platform in selection):
            references = [reference for reference, other in selection if other == platform]
            locked = stack.enter_context(resolved(ctx.source, store, references, platform))
            by_platform |= {(reference, platform): lock for reference, lock in zip(references, locked, strict=True)}
        locks = _each_once(by_platform[chosen] for chosen in selection)
        without = leave_out(locks)
        needed = [_reduced(lock, without) for lock in locks]

        def renew() -> bool:
            return not all([store.verify(blob) for lock in needed for blob in lock.blobs()])  # noqa: C419  (all of them are looked at)

        def forget() -> int:
            kept = ctx.ledger.kept_locks() if ctx.connections.has_ledger else ()
            return store.collect_garbage([*kept, *locks])

        def opened(extent: Extent) -> BinaryIO:
            return FileSlice(store.path(extent.digest), Descriptor("", extent.digest, extent.size)).open()

        for lock in locks:
            offered = _signed(ctx.source, lock)
            arrived.keep(store, lock, offered, first=[each.manifest.digest for each in offered.files])
        yield Images(locks, lambda: bring_published(ctx, needed), opened, signatures_in(store, locks), renew, forget, without)


def _reduced(lock: ImageLock, without: frozenset[str]) -> ImageLock:
    """The image without the layers that are left out."""
    kept = [(layer, diff_id) for layer, diff_id in zip(lock.layers, lock.diff_ids, strict=True) if layer.digest not in without]
    return replace(lock, layers=tuple(layer for layer, _ in kept), diff_ids=tuple(diff_id for _, diff_id in kept))


def _signed(source: Blobs, lock: ImageLock) -> SignatureDocuments:
    """Of its index and its manifest. Trouble that passes is raised: a bundle without its signatures would be refused by a box."""
    documents = SignatureDocuments()
    for document in (lock.index, lock.manifest):
        try:
            documents |= source.signatures(lock.reference, document.digest) if document else documents
        except ProvisionError as error:
            if error.temporary:
                raise
    if not documents.complete:
        hint = "a box may ask for any of them: make the bundle again when the registry has less trouble"
        raise RegistryUnreachable(f"{lock.reference}: some of its signatures cannot be read now", hint=hint, evidence=documents.remarks)
    return documents


def signatures_in(store: Store, locks: Sequence[ImageLock]) -> Mapping[ImageLock, tuple[SignatureFiles, ...]]:
    """Those whose blobs are all in the store, as many as a bundle may have."""
    return {lock: _shared([each for each in store.signatures(lock) if all(store.has(blob) for blob in each.blobs())]) for lock in locks}


def _shared(signatures: Sequence[SignatureFiles]) -> tuple[SignatureFiles, ...]:
    """In turn from registries and from bundles: neither may crowd out the other."""
    sources = [[each for each in signatures if each.medium is medium] for medium in (False, True)]
    return tuple(filter(None, chain.from_iterable(zip_longest(*sources))))[:IMAGE_SIGNATURES]


def _each_once(locks: Iterable[ImageLock]) -> tuple[ImageLock, ...]:
    """Two platforms can have one image."""
    return tuple({(str(lock.reference), lock.manifest.digest): lock for lock in locks}.values())


@contextmanager
def _from_layout(ctx: Context, folder: Path, selection: Selection, leave_out: LeaveOut) -> Iterator[Images]:
    """Blobs are read where they are. Each is hashed when it is written."""
    with ctx.sanitizer.errors():
        layout = LayoutFolder(folder)
        locks = _each_once(layout.resolve(reference, platform).lock for reference, platform in selection)
        own = folder == ctx.store.layout.images
        signed = signatures_in(ctx.store, locks) if own else {lock: _shared(_signed(layout, lock).files) for lock in locks}
    without = leave_out(locks)

    def check() -> None:
        for lock in (_reduced(lock, without) for lock in locks):
            if own and (plain := ctx.store.plain_layers(lock)):
                raise ImageUnsupported(
                    f"{lock.reference}: {rebuilt_layers(len(plain))}", hint=f"take the images from their registries: --from {REGISTRY}"
                )
            for blob in lock.blobs():
                layout.open(blob).close()

    with ExitStack() as stack:
        if own:
            stack.enter_context(ctx.store.lease(locks))
        yield Images(locks, check, lambda extent: layout.open(Descriptor("", extent.digest, extent.size)), signed, without=without)
