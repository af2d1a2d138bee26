"""What a bundle would bring to this box, and whether it suits it. Nothing is stored, and nothing is parsed that is not believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace

from kelvin_provision.bundles.acceptance import Accepted, accept, read_named
from kelvin_provision.bundles.head import Head
from kelvin_provision.bundles.inspection import InspectResult, warnings_of
from kelvin_provision.bundles.model import AS_DELTA, IN_BOX, Contents
from kelvin_provision.bundles.opening import find, open_bundle
from kelvin_provision.bundles.parts import BundleFiles, Parts
from kelvin_provision.bundles.reader import Bundle
from kelvin_provision.context import Context
from kelvin_provision.errors import BundleRevoked, BundleUnsuitable, RuntimeUnreachable
from kelvin_provision.hints import command
from kelvin_provision.ledger.reading.bundles import ImportedBundle
from kelvin_provision.media import further
from kelvin_provision.nodes.where.platforms import platforms_for, platforms_of_members
from kelvin_provision.nodes.where.site import members
from kelvin_provision.refs import Platform, Reference
from kelvin_provision.runtimes.protocol import ImageStorage
from kelvin_provision.spec.deltas import LayerRecord
from kelvin_provision.spec.images import images_of
from kelvin_provision.spec.lock import ImageLock, every_variant
from kelvin_provision.spec.workload import Spec
from kelvin_provision.staging import space
from kelvin_provision.staging.image_names import names_here
from kelvin_provision.store.space import shortages
from kelvin_provision.trust.requests import refuse_unsigned
from kelvin_provision.trust.verifying import refuse_other
from kelvin_provision.usecases.bundles.bundled import Box, Requests, box_of, locks_by_workload, locks_of, requests_of
from kelvin_provision.usecases.bundles.delta_plans import Plans, coming, plans_of
from kelvin_provision.usecases.bundles.import_plan import ImportPlan, ImportRequest, PlannedImage, PlannedWorkload
from kelvin_provision.usecases.bundles.trust import revoked
from kelvin_provision.usecases.bundles.trust.serials import older
from kelvin_provision.usecases.deploy import refuse_unsupported

_NAMED = 10
"""Missing blobs that are named."""


def plan(ctx: Context, request: ImportRequest, shown: InspectResult | None = None) -> ImportPlan:
    """`shown` is what a person sees beside the plan: it is of that table of contents, and the medium is not asked for another one.

    Raises BundleMissing, BundleInvalid, BundleDamaged, MediumGone; what `bundles.acceptance.accept` raises; BundleUnsuitable; NoSpace;
    what a deploy of its requests raises; PlatformMissing, ImageUnsupported, ManifestInvalid.
    """
    with ctx.sanitizer.errors():
        if shown is not None:
            return _of(ctx, request, shown.files, shown.head, shown.accepted)
        files = find(*request.places)
        if 1 not in files.paths and (known := further.bundle_of(ctx.ledger, ctx.settings.state_dir, files)):
            return _further_parts(request, files, *known)
        head = read_named(files, request.digest, must_be_signed=ctx.must_be_signed("bundle"))
        return _of(ctx, request, files, head, accept(head, ctx.believed(head.trust), request.expect))


def _of(ctx: Context, request: ImportRequest, files: BundleFiles, head: Head, accepted: Accepted) -> ImportPlan:
    with open_bundle(files, head, accepted.contents) as bundle:
        return _planned(ctx, request, bundle, accepted, head)


def _planned(ctx: Context, request: ImportRequest, bundle: Bundle, accepted: Accepted, head: Head) -> ImportPlan:
    contents, box, trust = accepted.contents, box_of(lambda: ctx.runtime), accepted.trust or ctx.trust
    _refuse_other_box(contents, ctx.box_name, box.platform)
    requests = Requests() if request.images_only else requests_of(bundle, ctx.settings, trust, allow_latest=request.allow_latest)
    refuse_unsigned(trust, [spec.name for spec in requests.specs], requests.signed)
    if requests.specs:
        refuse_unsupported(ctx.cluster, requests.specs, members(ctx))
    box = replace(box, others=_other_platforms(ctx, request, requests, box.platform))
    locks, others = locks_of(bundle, _references(request, requests, contents, box), box)
    images = tuple(dict.fromkeys(locks.values()))
    documents = {blob.digest for lock in every_variant(images) for blob in (lock.index, lock.manifest) if blob}
    by_workload = locks_by_workload(requests.specs, locks, box.info)
    names = names_here(trust, lambda: ctx.store, ctx.ledger, lambda digest: bundle.document(digest) if digest in documents else None)
    of_each = {spec.name: _locks_of(spec, locks) for spec in requests.specs}
    revoked.refuse_revoked(trust, names, accepted, requests, of_each, images=images)
    plans = {} if members(ctx) else plans_of(ctx, contents, images, box.runtime)  # members fetch layers as they were published
    _refuse_lacking(ctx, contents, images, box, plans)
    _refuse_space(ctx, contents, images, box, plans)
    blobs = {lock: tuple(coming(lock, plans)) for lock in images}
    missing = tuple(sorted({part for lock in images for blob in blobs[lock] for part in _missing_parts(ctx, bundle, blob.digest)}))
    new = {blob.digest: blob.size - ctx.store.bytes_present(blob) for lock in images for blob in blobs[lock]}
    behind = older(ctx.ledger, accepted)
    return ImportPlan(
        request,
        bundle.files,
        accepted,
        head,
        workloads=tuple(_workloads(ctx, requests, locks)),
        images=tuple(
            PlannedImage(str(lock.reference), sum(blob.size for blob in lock.blobs_of_all()), sum(new[blob.digest] for blob in blobs[lock]))
            for lock in images
        ),
        new_bytes=sum(new.values()),
        missing=missing,
        requests=requests,
        locks=by_workload,
        kept=images if request.images_only else (),
        older=behind,
        warnings=(*([behind.text] if behind else []), *_warnings(accepted, requests, others, missing, box)),
    )


def _other_platforms(ctx: Context, request: ImportRequest, requests: Requests, own: Platform) -> tuple[Platform, ...]:
    """Those of nodes that may run any of its workloads; without requests, of all."""
    if request.images_only:
        return platforms_of_members(ctx, own)
    return tuple(dict.fromkeys(each for spec in requests.specs for each in platforms_for(ctx, spec, 0, own)))


def _locks_of(spec: Spec, locks: Mapping[Reference, ImageLock]) -> tuple[ImageLock, ...]:
    """Those of its images that the bundle has."""
    references = map(Reference.parse, images_of(spec))
    return tuple(locks[reference] for reference in references if reference in locks)


def _warnings(accepted: Accepted, requests: Requests, others: Sequence[Reference], missing: tuple[int, ...], box: Box) -> list[str]:
    known = [f"{reference} is not in the bundle, and comes from its registry" for reference in others]
    runtime = [] if box.info else ["the container runtime does not answer: the agent checks the images when it does"]
    return [*warnings_of(accepted, missing), *known, *runtime, *requests.warnings]


def _references(request: ImportRequest, requests: Requests, contents: Contents, box: Box) -> tuple[Reference, ...]:
    """Those of the requests; without requests, all that the bundle has for this platform."""
    if not request.images_only:
        return tuple(dict.fromkeys(Reference.parse(image) for spec in requests.specs for image in images_of(spec)))
    return tuple(dict.fromkeys(image.reference for image in contents.images if box.platform.accepts(image.platform)))


def _refuse_other_box(contents: Contents, name: str, own: Platform) -> None:
    """Raises BundleUnsuitable."""
    if contents.boxes and name not in contents.boxes:
        others = ", ".join(contents.boxes[:_NAMED])
        raise BundleUnsuitable(f"the bundle {contents.name} is for {others}, and this box is {name}")
    if contents.images and not any(own.accepts(image.platform) for image in contents.images):
        platforms = ", ".join(map(str, contents.platforms))
        raise BundleUnsuitable(f"the bundle {contents.name} has images for {platforms}, and this box is {own}")


def _refuse_lacking(ctx: Context, contents: Contents, images: Sequence[ImageLock], box: Box, plans: Plans) -> None:
    """What the bundle counts on must be on the box before anything of it is copied. Raises BundleUnsuitable."""
    here = {layer.digest for image in contents.images for layer in image.layers if layer.source in (IN_BOX, AS_DELTA)} - plans.keys()
    needed = {layer.digest: (layer, lock) for lock in every_variant(images) for layer in lock.layers if layer.digest in here}
    lacking = []
    for layer, lock in needed.values():
        if ctx.store.has(layer):
            continue
        with box.runtime.open_blob(layer) if box.runtime is not None else nullcontext() as file:
            if file is None:
                lacking.append(f"{layer.digest} of {lock.reference}")
    if lacking:
        count = f"{len(lacking)} layer{'' if len(lacking) == 1 else 's'}"
        complete = ("REQUEST", "--to", "PLACE", "--platform", str(box.platform))
        hint = command("bundle create", *complete, instruction="make a complete one at the desk, without --for FILE and --since")
        raise BundleUnsuitable(
            f"the bundle {contents.name} needs {count} that this box does not have", hint=hint, evidence=lacking[:_NAMED]
        )


def _refuse_space(ctx: Context, contents: Contents, images: Sequence[ImageLock], box: Box, plans: Plans) -> None:
    """With the exact sizes that the bundle states. Raises NoSpace."""
    unpacked = {layer.digest: layer.unpacked for image in contents.images for layer in image.layers}
    keeping, loaded = ImageStorage(), tuple[ImageLock, ...]()
    if box.runtime is not None:
        with suppress(RuntimeUnreachable):
            keeping, loaded = box.runtime.storage(), space.loaded_images(ctx.ledger, box.runtime, images)
    filesystems = space.survey(ctx.settings.state_dir, keeping, ctx.settings.download.keep_free)
    requests = space.space_requests(
        images,
        filesystems,
        present=ctx.store.bytes_present,
        loaded=loaded,
        unpacked=unpacked,
        record=lambda layer: LayerRecord(plans.get(layer.digest)),
    )
    lacking = shortages(filesystems.all(), requests, ())
    space.refuse_shortages(f"the bundle {contents.name}", lacking, hint=command("images prune", "--dry-run"))


def _missing_parts(ctx: Context, bundle: Bundle, digest: str) -> tuple[int, ...]:
    """The parts that are not here and have some of this blob, unless the store has it."""
    extent = bundle.contents.by_digest.get(digest)
    if extent is None or ctx.store.path(digest).exists():
        return ()
    return tuple(part for part in bundle.parts_of(digest) if part in bundle.missing)


def _workloads(ctx: Context, requests: Requests, locks: dict[Reference, ImageLock]) -> list[PlannedWorkload]:
    existing = ctx.ledger.existing([spec.name for spec in requests.specs])
    planned = []
    for spec in requests.specs:
        workload, references = existing.get(spec.name), [Reference.parse(image) for image in images_of(spec)]
        planned.append(
            PlannedWorkload(
                spec.name,
                spec.app_name,
                spec.app_version,
                spec.method,
                workload.running.spec.app_version if workload and workload.running else None,
                workload.staged.spec.app_version if workload and workload.staged else None,
                tuple(str(reference) for reference in references if reference in locks),
                tuple(str(reference) for reference in references if reference not in locks),
            )
        )
    return planned


def _further_parts(request: ImportRequest, files: BundleFiles, known: ImportedBundle, contents: Contents) -> ImportPlan:
    if known.revoked:
        raise BundleRevoked(f"the bundle {known.name} is revoked")
    for digest in filter(None, (request.expect, request.digest)):
        refuse_other(digest, known.digest)
    missing = Parts(files, contents.parts).missing
    return ImportPlan(request, files, Accepted(contents, known.digest, expected=True), None, missing=missing)
