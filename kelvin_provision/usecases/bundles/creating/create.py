"""Create a bundle: requests, and their images for the platforms of the boxes, onto a medium. Done at a desk."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from kelvin_provision.bundles.model import Contents
from kelvin_provision.bundles.writing.layout import Draft
from kelvin_provision.bundles.writing.writer import Job
from kelvin_provision.context import Context
from kelvin_provision.desk.box_deltas import NONE, deltas_for
from kelvin_provision.desk.gathering import Images, gathered
from kelvin_provision.desk.published import HINTS
from kelvin_provision.errors import RequestRefused, UsageRefused, hinted
from kelvin_provision.events import Note
from kelvin_provision.files.hashing import digest_of
from kelvin_provision.refs import Platform, Reference
from kelvin_provision.settings.model import Settings
from kelvin_provision.spec.images import images_of
from kelvin_provision.spec.read.documents import read_all
from kelvin_provision.spec.request.accept import Accepted
from kelvin_provision.trust.documents.accepting import checked as followed
from kelvin_provision.trust.documents.model import SignedDocument
from kelvin_provision.trust.dsse import entries_of
from kelvin_provision.usecases import deploy
from kelvin_provision.usecases.bundles import drafting
from kelvin_provision.usecases.bundles.creating import placing
from kelvin_provision.usecases.bundles.creating.content import NOTHING, Reporter, opener, written
from kelvin_provision.usecases.bundles.creating.leaving_out import known_before, known_of, refuse_contradiction
from kelvin_provision.usecases.bundles.creating.request import CreateRequest, CreateResult
from kelvin_provision.usecases.bundles.signing import check, signatures_with


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
    request = replace(request, name=request.name or place.name, platforms=platforms, boxes=request.boxes or known.boxes)
    selection = _selection(checked, platforms, before) if request.with_images else []
    with ExitStack() as stack:
        images = stack.enter_context(gathered(ctx, request.source, selection, known.left_out)) if selection else NOTHING
        inventories = known.inventories if request.deltas else ()
        deltas = stack.enter_context(deltas_for(ctx, request.source, images, inventories)) if inventories else NONE
        draft = _drafted(request, place.folder, before.made_by if before else drafting.MADE_BY)
        draft = drafting.with_images(draft, images.locks, images.without, _signatures(images, before), deltas)
        contents = drafting.placed(draft)
        placing.refuse_without_space(contents, place)
        ctx.progress(Note(placing.described(contents, place)))
        images.fetch()
        job = Job(
            contents,
            opener(draft, images, deltas),
            place,
            lambda table, there: signatures_with(table, there, request.signer),
            Reporter(ctx, place, contents).report,
            ctx.stop,
            read=request.read_back,
            repair=request.repair,
            trust=request.trust,
        )
        done = written(job, images)
        images.forget()
    signers = tuple(entry.key_id for entry in entries_of(done.signatures))
    digest, read_back = digest_of(done.table), request.read_back
    return CreateResult(digest, done.contents, done.paths, done.kept, done.written, signers, read_back, checked.warnings)


def _drafted(request: CreateRequest, folder: Path, made_by: str) -> Draft:
    """Without its images."""
    part_size = placing.part_size_of(request.part_size, folder, request.mounts)
    return Draft(
        name=request.name,
        made_by=made_by,
        platforms=request.platforms,
        requests=drafting.requests_of(request.files),
        images=(),
        sizes={},
        files=(),
        boxes=request.boxes,
        serial=request.serial or 0,
        part_size=part_size,
        trust=request.trust,
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
