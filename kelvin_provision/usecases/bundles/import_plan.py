"""What a bundle would bring to this box, and whether it suits it. Nothing is stored, and nothing is parsed that is not believed."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kelvin_provision.bundles.acceptance import Accepted, accept, read_named
from kelvin_provision.bundles.inspection import InspectResult, missing_warning
from kelvin_provision.bundles.model import IN_BOX, Contents
from kelvin_provision.bundles.opening import Head, find, open_bundle
from kelvin_provision.bundles.part_file import size_of
from kelvin_provision.bundles.parts import BundleFiles
from kelvin_provision.bundles.reader import Bundle
from kelvin_provision.context import Context
from kelvin_provision.errors import BundleUnsuitable, NoSpace, RuntimeUnreachable
from kelvin_provision.hints import command
from kelvin_provision.ledger.reading.bundles import ImportedBundle
from kelvin_provision.media import kept
from kelvin_provision.refs import Platform, Reference
from kelvin_provision.runtimes.protocol import ImageStorage
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.images import images_of
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.staging import space
from kelvin_provision.store.space import shortages
from kelvin_provision.trust.requests import refuse_unsigned
from kelvin_provision.usecases.bundles.bundled import Box, Requests, box_of, locks_by_workload, locks_of, requests_of
from kelvin_provision.usecases.deploy import refuse_unsupported

_NAMED = 10
"""Missing blobs that are named."""


@dataclass(frozen=True)
class ImportRequest:
    """`places` are files or folders; several for parts on several media. `expect` is the digest that the bundle must have.

    `digest` is the one by which it was named, if it was; it must have that, too, and is not vouched for by it.
    """

    places: tuple[Path, ...]
    expect: str = ""
    images_only: bool = False
    allow_latest: bool = False
    digest: str = ""


@dataclass(frozen=True)
class PlannedWorkload:
    """A request of the bundle. `running` and `staged` are the versions on the box; `elsewhere` are images that the bundle does not have."""

    name: str
    app_name: str
    version: str
    method: Method
    running: str | None
    staged: str | None
    images: tuple[str, ...]
    elsewhere: tuple[str, ...]


@dataclass(frozen=True)
class PlannedImage:
    """`new` bytes are not in the store."""

    reference: str
    size: int
    new: int


@dataclass(frozen=True)
class ImportPlan:
    """What `importing.carry_out` would do. `head` is None for further parts of a bundle that was imported before."""

    request: ImportRequest
    files: BundleFiles
    accepted: Accepted
    head: Head | None
    workloads: tuple[PlannedWorkload, ...] = ()
    images: tuple[PlannedImage, ...] = ()
    new_bytes: int = 0
    missing: tuple[int, ...] = ()
    requests: Requests = field(default_factory=Requests)
    locks: dict[str, tuple[ImageLock, ...]] = field(default_factory=dict)
    kept: tuple[ImageLock, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def contents(self) -> Contents:
        return self.accepted.contents

    @property
    def digest(self) -> str:
        return self.accepted.digest

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.contents.name,
            "serial": self.contents.serial,
            "digest": self.digest,
            "signatures": self.accepted.to_json(),
            "boxes": list(self.contents.boxes),
            "files": [str(path) for path in self.files.paths.values()],
            "missing": list(self.missing),
            "workloads": [
                {
                    "name": workload.name,
                    "app_name": workload.app_name,
                    "app_version": workload.version,
                    "method": workload.method.value,
                    "running": workload.running,
                    "staged": workload.staged,
                    "images": list(workload.images),
                    "elsewhere": list(workload.elsewhere),
                }
                for workload in self.workloads
            ],
            "images": [{"reference": image.reference, "size": image.size, "new": image.new} for image in self.images],
            "new_bytes": self.new_bytes,
            "warnings": list(self.warnings),
        }


def plan(ctx: Context, request: ImportRequest, shown: InspectResult | None = None) -> ImportPlan:
    """`shown` is what a person sees beside the plan: it is of that table of contents, and the medium is not asked for another one.

    Raises BundleMissing, BundleInvalid, BundleDamaged, MediumGone; what `bundles.acceptance.accept` raises; BundleUnsuitable; NoSpace;
    what a deploy of its requests raises; PlatformMissing, ImageUnsupported, ManifestInvalid.
    """
    with ctx.sanitizer.errors():
        if shown is not None:
            return _of(ctx, request, shown.files, shown.head, shown.accepted)
        files = find(*request.places)
        if 1 not in files.paths and (known := _known(ctx, files)):
            return _further_parts(request, files, *known)
        head = read_named(files, request.digest)
        return _of(ctx, request, files, head, accept(head, ctx.settings.trust, request.expect))


def _of(ctx: Context, request: ImportRequest, files: BundleFiles, head: Head, accepted: Accepted) -> ImportPlan:
    with open_bundle(files, head, accepted.contents) as bundle:
        return _planned(ctx, request, bundle, accepted, head)


def _planned(ctx: Context, request: ImportRequest, bundle: Bundle, accepted: Accepted, head: Head) -> ImportPlan:
    contents, box = accepted.contents, box_of(lambda: ctx.runtime)
    refuse_other_box(contents, ctx.settings.cluster.name or platform.node(), box.platform)
    requests = Requests() if request.images_only else requests_of(bundle, ctx.settings, allow_latest=request.allow_latest)
    refuse_unsigned(ctx.settings.trust, [spec.name for spec in requests.specs], requests.signed or {})
    if requests.specs:
        refuse_unsupported(ctx.cluster, requests.specs)
    locks, others = locks_of(bundle, _references(request, requests, contents, box), box)
    images = tuple(dict.fromkeys(locks.values()))
    _refuse_lacking(ctx, contents, images, box)
    _refuse_space(ctx, contents, images, box)
    missing = tuple(sorted({part for lock in images for blob in lock.blobs() for part in _parts(ctx, bundle, blob.digest)}))
    new = {blob.digest: blob.size - ctx.store.bytes_present(blob) for lock in images for blob in lock.blobs()}
    return ImportPlan(
        request,
        bundle.files,
        accepted,
        head,
        workloads=tuple(_workloads(ctx, requests, locks)),
        images=tuple(PlannedImage(str(lock.reference), lock.size, sum(new[blob.digest] for blob in lock.blobs())) for lock in images),
        new_bytes=sum(new.values()),
        missing=missing,
        requests=requests,
        locks=locks_by_workload(requests.specs, locks, box.info),
        kept=images if request.images_only else (),
        warnings=(*_older(ctx, accepted), *_warnings(accepted, requests, others, missing, box)),
    )


def _older(ctx: Context, accepted: Accepted) -> Iterator[str]:
    """Order comes from numbers that the signers count up, never from a clock."""
    serial, signers = accepted.contents.serial, {signer.text for signer in accepted.signers}
    newer = [known for known in ctx.ledger.bundles() if known.serial > serial > 0 and signers & set(known.signers)]
    if newer:
        newest = max(newer, key=lambda known: known.serial)
        yield f"bundle {newest.name} with serial {newest.serial} of the same signer was imported before, and this one has serial {serial}"


def _warnings(accepted: Accepted, requests: Requests, others: Sequence[Reference], missing: tuple[int, ...], box: Box) -> list[str]:
    known = [f"{reference} is not in the bundle, and comes from its registry" for reference in others]
    runtime = [] if box.info else ["the container runtime does not answer: the agent checks the images when it does"]
    return [text for text in (accepted.warning, missing_warning(missing), *known, *runtime, *requests.warnings) if text]


def _references(request: ImportRequest, requests: Requests, contents: Contents, box: Box) -> tuple[Reference, ...]:
    """Those of the requests; without requests, all that the bundle has for this platform."""
    if not request.images_only:
        return tuple(dict.fromkeys(Reference.parse(image) for spec in requests.specs for image in images_of(spec)))
    return tuple(dict.fromkeys(image.reference for image in contents.images if box.platform.accepts(image.platform)))


def refuse_other_box(contents: Contents, name: str, own: Platform) -> None:
    """Raises BundleUnsuitable."""
    if contents.boxes and name not in contents.boxes:
        others = ", ".join(contents.boxes[:_NAMED])
        raise BundleUnsuitable(f"the bundle {contents.name} is for {others}, and this box is {name}")
    if contents.images and not any(own.accepts(image.platform) for image in contents.images):
        platforms = ", ".join(map(str, contents.platforms))
        raise BundleUnsuitable(f"the bundle {contents.name} has images for {platforms}, and this box is {own}")


def _refuse_lacking(ctx: Context, contents: Contents, images: Sequence[ImageLock], box: Box) -> None:
    """What the bundle counts on must be on the box before anything of it is copied. Raises BundleUnsuitable."""
    here = {layer.digest for image in contents.images for layer in image.layers if layer.source == IN_BOX}
    needed = {layer.digest: layer for lock in images for layer in lock.layers if layer.digest in here}
    lacking = []
    for layer in needed.values():
        if not ctx.store.has(layer) and box.runtime is not None:
            with box.runtime.open_blob(layer) as file:
                if file is None:
                    lacking.append(layer.digest)
        elif not ctx.store.has(layer):
            lacking.append(layer.digest)
    if lacking:
        count = f"{len(lacking)} layer{'' if len(lacking) == 1 else 's'}"
        hint = command("bundle create", *("REQUEST", "--to", "PLACE"), instruction="make one with all layers at the desk")
        raise BundleUnsuitable(
            f"the bundle {contents.name} needs {count} that this box does not have", hint=hint, evidence=lacking[:_NAMED]
        )


def _refuse_space(ctx: Context, contents: Contents, images: Sequence[ImageLock], box: Box) -> None:
    """With the exact sizes that the bundle states. Raises NoSpace."""
    unpacked = {layer.digest: layer.unpacked for image in contents.images for layer in image.layers}
    keeping, loaded = ImageStorage(), tuple[ImageLock, ...]()
    if box.runtime is not None:
        with suppress(RuntimeUnreachable):
            keeping, loaded = box.runtime.storage(), space.loaded_images(ctx.ledger, box.runtime, images)
    filesystems = space.survey(ctx.settings.state_dir, keeping, ctx.settings.download.keep_free)
    requests = space.space_requests(images, filesystems, present=ctx.store.bytes_present, loaded=loaded, unpacked=unpacked)
    lacking = shortages(filesystems.all(), requests, ())
    if lacking:
        text = "; ".join(map(space.describe, lacking))
        raise NoSpace(f"not enough disk space for the bundle {contents.name}: {text}", hint=command("images prune", "--dry-run"))


def _parts(ctx: Context, bundle: Bundle, digest: str) -> tuple[int, ...]:
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


# --- further parts --------------------------------------------------------------------------------------


def _known(ctx: Context, files: BundleFiles) -> tuple[ImportedBundle, Contents] | None:
    """The imported bundle that these files are parts of, by name and size: what is in them is hashed when it is read."""
    for known in ctx.ledger.bundles():
        names = {Path(medium.place).name.partition(".kpb")[0] for medium in known.media} | {known.name}
        contents = kept.load(ctx.settings.state_dir, known.digest) if files.name in names else None
        if contents and all(
            number <= len(contents.parts) and size_of(path) == contents.parts[number - 1] for number, path in files.paths.items()
        ):
            return known, contents
    return None


def _further_parts(request: ImportRequest, files: BundleFiles, known: ImportedBundle, contents: Contents) -> ImportPlan:
    from kelvin_provision.trust.verifying import refuse_other

    for digest in filter(None, (request.expect, request.digest)):
        refuse_other(digest, known.digest)
    missing = tuple(number for number in range(1, len(contents.parts) + 1) if number not in files.paths)
    return ImportPlan(request, files, Accepted(contents, known.digest, expected=True), None, missing=missing)
