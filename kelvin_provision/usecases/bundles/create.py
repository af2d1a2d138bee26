"""Create a bundle: requests, and their images for the platforms of the boxes, onto a medium. Done at a desk."""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from kelvin_provision.bundles.model import Contents, Extent
from kelvin_provision.bundles.writing.filling import Content
from kelvin_provision.bundles.writing.layout import Draft
from kelvin_provision.bundles.writing.output import Place
from kelvin_provision.bundles.writing.writer import Job, Written, write
from kelvin_provision.context import Context
from kelvin_provision.desk.box_deltas import NONE, BoxDeltas, deltas_for
from kelvin_provision.desk.gathering import REGISTRY, Images, gathered
from kelvin_provision.desk.published import HINTS
from kelvin_provision.errors import DigestMismatch, RequestRefused, UsageRefused, hinted
from kelvin_provision.events import Advanced, Finished, Note, Started
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files import mounts
from kelvin_provision.files.hashing import digest_of
from kelvin_provision.refs import Platform, Reference
from kelvin_provision.settings.model import Settings
from kelvin_provision.spec.deltas import DeltaUse
from kelvin_provision.spec.images import images_of
from kelvin_provision.spec.read.documents import read_all
from kelvin_provision.spec.request.accept import Accepted
from kelvin_provision.trust.documents.accepting import checked as followed
from kelvin_provision.trust.documents.model import SignedDocument
from kelvin_provision.trust.dsse import entries_of
from kelvin_provision.trust.requests import RequestFile
from kelvin_provision.usecases import deploy
from kelvin_provision.usecases.bundles import drafting, placing
from kelvin_provision.usecases.bundles.leaving_out import known_before, known_of, refuse_contradiction
from kelvin_provision.usecases.bundles.signing import Signer, check, signatures_with


@dataclass(frozen=True)
class CreateRequest:
    """`place` is a folder of the medium, or a file NAME.kpb in one. `source` is `registry`, `store` or the folder of an OCI image layout.

    Without `platforms`: that of this machine. Without a `name`: after the first request. Without a `part_size`: what the filesystem takes.
    `repair`: only what is wrong of the bundle that is there, which must be this one. `inventories` are files of the boxes that it is for:
    what all of them have is left out, and so is what the bundle at `since` has.
    """

    files: tuple[RequestFile, ...]
    place: Path
    platforms: tuple[Platform, ...] = ()
    name: str = ""
    serial: int | None = None
    boxes: tuple[str, ...] = ()
    part_size: int | None = None
    source: str = REGISTRY
    with_images: bool = True
    allow_latest: bool = False
    read_back: bool = True
    repair: bool = False
    signer: Signer | None = None
    inventories: tuple[Path, ...] = ()
    since: Path | None = None
    trust: tuple[SignedDocument, ...] = ()
    mounts: Path = mounts.TABLE
    deltas: bool = True
    """Layers come as deltas where that is smaller, for boxes with inventories."""


@dataclass(frozen=True)
class CreateResult:
    """`kept` bytes of the bundle were on the medium already."""

    digest: str
    contents: Contents
    paths: tuple[Path, ...]
    kept: int
    written: int
    signers: tuple[str, ...]
    read_back: bool
    warnings: tuple[str, ...] = ()

    @property
    def left_out(self) -> tuple[int, int]:
        """Layers that the boxes have, and their bytes."""
        return placing.left_out(self.contents)

    @property
    def deltas(self) -> DeltaUse:
        """What deltas do for it."""
        return placing.deltas_in(self.contents)

    def to_json(self) -> dict[str, Any]:
        contents = self.contents
        layers, size = self.left_out
        return {
            "digest": self.digest,
            "name": contents.name,
            "serial": contents.serial,
            "bytes": contents.total,
            "files": [{"path": str(path), "bytes": size} for path, size in zip(self.paths, contents.parts, strict=True)],
            "platforms": [str(platform) for platform in contents.platforms],
            "boxes": list(contents.boxes),
            "requests": [request.name for request in contents.requests],
            "images": [
                {"reference": str(image.reference), "platform": str(image.platform), "signatures": len(image.signatures)}
                for image in contents.images
            ],
            "left_out": {"layers": layers, "bytes": size},
            "deltas": self.deltas.to_json(),
            "kept": self.kept,
            "written": self.written,
            "signers": list(self.signers),
            "read_back": self.read_back,
        }


@hinted({**HINTS, RequestRefused: "correct the findings, then make the bundle again; nothing was written"})
def create(ctx: Context, request: CreateRequest) -> CreateResult:
    """Everything is checked before the first byte is downloaded or written: requests, key, place, and the space for the exact size.

    Interrupted, the same request continues where it stopped. Raises RequestRefused, UsageRefused, KeyInvalid, NoSpace, CannotWrite,
    BundleDamaged for a medium that does not keep what is written, BundleDiffers, Interrupted, and what gathering the images raises.
    """
    checked = checked_requests(ctx.settings, request)
    check(request.signer)
    trust = checked_documents(request.trust)
    place = placing.place_of(request.place, request.name or drafting.default_name(checked.specs, trust))
    before = placing.bundle_there(place) if request.repair else None
    if before and before.deltas:
        hint = "make it again with the same inventories: what is whole on the medium is not written again"
        raise UsageRefused(f"the bundle {before.name} has deltas, which are not kept for a repair", hint=hint)
    known = known_before(before) if before else known_of(request.inventories, request.since, ctx.trust)
    refuse_contradiction(known, request.boxes, request.platforms)
    request = _as_before(request, before) if before else request
    platforms = request.platforms or known.platforms or (Platform.of_this_host(),)
    selection = _selection(checked, platforms, before) if request.with_images else []
    with ExitStack() as stack:
        images = stack.enter_context(gathered(ctx, request.source, selection, known.left_out)) if selection else _NOTHING
        inventories = known.inventories if request.deltas else ()
        deltas = stack.enter_context(deltas_for(ctx, request.source, images, inventories)) if inventories else NONE
        draft = drafting.drafted(
            request.name or place.name,
            request.files,
            images.locks,
            platforms,
            boxes=request.boxes or known.boxes,
            serial=request.serial or 0,
            part_size=placing.part_size_of(request.part_size, place.folder, request.mounts),
            made_by=before.made_by if before else drafting.MADE_BY,
            without=images.without,
            trust=request.trust,
            signatures=_signatures(images, before),
            deltas=deltas,
        )
        contents = drafting.placed(draft)
        placing.refuse_without_space(contents, place)
        ctx.progress(Note(placing.described(contents, place)))
        images.fetch()
        job = Job(
            contents,
            _opener(draft, images, deltas),
            place,
            lambda table, there: signatures_with(table, there, request.signer),
            _Reporter(ctx, place, contents).report,
            ctx.stop,
            read=request.read_back,
            repair=request.repair,
            trust=request.trust,
        )
        written = _written(job, images)
        images.forget()
    signers = tuple(entry.key_id for entry in entries_of(written.signatures))
    return CreateResult(
        digest_of(written.table),
        written.contents,
        written.paths,
        written.kept,
        written.written,
        signers,
        request.read_back,
        checked.warnings,
    )


def checked_requests(settings: Settings, request: CreateRequest) -> Accepted:
    """As a deploy checks them, but for the secrets of the box. Raises RequestRefused."""
    if not request.files:
        if request.trust:
            return Accepted(())
        raise UsageRefused("a bundle needs a request, or a trust document")
    documents = read_all([(file.name, file.content) for file in request.files])
    return deploy.accepted(settings, deploy.DeployRequest(documents, request.allow_latest), has_secret=lambda _: True)


def checked_documents(documents: tuple[SignedDocument, ...]) -> tuple[int, ...]:
    """Their numbers: each follows the one before and is signed as it must be. Raises TrustDocumentInvalid, TrustDocumentRefused."""
    return tuple(step.document.number for step in followed(documents))


def _as_before(request: CreateRequest, before: Contents) -> CreateRequest:
    """An option that is not given is that of the bundle before."""
    return replace(
        request,
        platforms=request.platforms or before.platforms,
        name=before.name,
        serial=before.serial if request.serial is None else request.serial,
        boxes=request.boxes or before.boxes,
        with_images=bool(before.images),
        part_size=before.parts[0] if len(before.parts) > 1 else 0,
    )


def _selection(checked: Accepted, platforms: tuple[Platform, ...], before: Contents | None) -> list[tuple[Reference, Platform]]:
    """For a repair by the digests of the bundle: a tag may have moved."""
    names = dict.fromkeys(Reference.parse(text) for spec in checked.specs for text in images_of(spec))
    pinned = {replace(image.reference, digest=None): image.reference for image in before.images} if before else {}
    return [(pinned.get(name, name), platform) for name in names for platform in platforms]


def _signatures(images: Images, before: Contents | None) -> drafting.Signatures:
    """For a repair those of the bundle: the image may have got others since."""
    if before is None:
        return images.signatures
    chosen = {image.manifest: [signature[0] for signature in image.signatures] for image in before.images}
    available = {lock: {each.manifest.digest: each for each in signatures} for lock, signatures in images.signatures.items()}
    return {lock: [available[lock][name] for name in chosen.get(lock.manifest.digest, ()) if name in available[lock]] for lock in available}


# --- bytes ----------------------------------------------------------------------------------------------


def _nothing_to_open(extent: Extent) -> BinaryIO:
    raise DigestMismatch(f"{extent.digest} is of no image")


_NOTHING = Images((), lambda: None, _nothing_to_open, {})


def _opener(draft: Draft, images: Images, deltas: BoxDeltas) -> Content:
    held = [data for _, data in draft.files]
    held += [data for request in draft.requests for data in (request.content, request.signature) if data is not None]
    documents: Mapping[str, bytes] = {digest_of(data): data for data in held}

    def opened(extent: Extent) -> BinaryIO:
        if extent.digest in deltas.files:
            return deltas.open(extent)
        data = documents.get(extent.digest)
        return images.open(extent) if data is None else io.BytesIO(data)

    return opened


def _written(job: Job, images: Images) -> Written:
    """The disk may have changed under a blob that was verified: it is fetched again, and the writing goes on."""
    try:
        return write(job)
    except DigestMismatch:
        if not images.renew():
            raise
        images.fetch()
        return write(job)


class _Reporter:
    """Progress as events: one task for each thing that is done with all bytes."""

    def __init__(self, ctx: Context, place: Place, contents: Contents) -> None:
        self._ctx = ctx
        self._task = f"{place.name}.kpb"
        self._total = contents.total
        self._verb = ""

    def report(self, verb: str, done: int) -> None:
        if verb != self._verb:
            self._verb = verb
            self._ctx.progress(Started(self._task, verb, self._total))
        self._ctx.progress(Advanced(self._task, done, self._total))
        if done == self._total:
            self._ctx.progress(Finished(self._task, _OUTCOMES[verb]))


_OUTCOMES = {"hashing": "hashed", "writing": "written", "reading back": "read back"}
