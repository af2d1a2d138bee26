"""What a bundle has, from requests and image locks. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from kelvin_provision import __version__
from kelvin_provision.bundles import limits
from kelvin_provision.bundles.contents import decode, encode
from kelvin_provision.bundles.model import Contents
from kelvin_provision.bundles.writing import documents
from kelvin_provision.bundles.writing.from_locks import bundled
from kelvin_provision.bundles.writing.layout import Draft, RequestDraft, place
from kelvin_provision.desk.box_deltas import NONE, BoxDeltas
from kelvin_provision.errors import BundleInvalid, UsageRefused
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.signatures import SignatureFiles
from kelvin_provision.spec.workload import Spec
from kelvin_provision.trust.requests import RequestFile

Signatures = Mapping[ImageLock, Sequence[SignatureFiles]]
MADE_BY = f"kelvin-provision {__version__}"


def default_name(specs: Sequence[Spec], trust: Sequence[int] = ()) -> str:
    """The app and version of the first request, and how many more there are; without any the newest trust document."""
    if not specs:
        return f"trust-{trust[-1]}"
    first = f"{specs[0].app_name}-{specs[0].app_version}"
    text = first if len(specs) == 1 else f"{first}-and-{len(specs) - 1}"
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).lstrip("._-")[:128] or "bundle"


def with_images(
    draft: Draft,
    locks: Sequence[ImageLock],
    without: frozenset[str] = frozenset(),
    signatures: Signatures = MappingProxyType({}),
    deltas: BoxDeltas = NONE,
) -> Draft:
    """The draft with these images. Layers in `without` are those that the boxes have."""
    images = [(bundled(lock, without, signatures.get(lock, ()), deltas.sizes), lock.source) for lock in locks]
    return replace(
        draft,
        images=tuple(image for image, _ in images),
        sizes=sizes_of(locks, signatures) | {digest: size for digest, (size, _) in deltas.files.items()},
        files=(
            ("index.json", documents.index_json(images)),
            ("manifest.json", documents.manifest_json([image for image, _ in images])),
        ),
        needs=tuple(dict.fromkeys(layer.digest for lock in locks for layer in lock.layers if layer.digest in without)),
        deltas=deltas.deltas,
    )


def sizes_of(locks: Sequence[ImageLock], signatures: Signatures) -> dict[str, int]:
    """Of the documents and signatures of these images, by digest."""
    blobs = [blob for lock in locks for blob in (lock.index, lock.manifest, lock.config) if blob]
    blobs += [blob for files in signatures.values() for signature in files for blob in signature.blobs()]
    return {blob.digest: blob.size for blob in blobs}


def placed(draft: Draft) -> Contents:
    """The table of contents, which every box will accept. Raises UsageRefused for more than one bundle may have."""
    return checked(place(draft))


def checked(contents: Contents) -> Contents:
    """The same table of contents. Raises UsageRefused for one that no box would accept."""
    try:
        return decode(encode(contents))
    except BundleInvalid as error:
        raise UsageRefused(f"this is too much for one bundle: {error}", hint="make several bundles") from error


def requests_of(files: Sequence[RequestFile]) -> tuple[RequestDraft, ...]:
    """Each with its name in the bundle. Raises UsageRefused for one that is too large."""
    return tuple(_request(number, file) for number, file in enumerate(files, 1))


def _request(number: int, file: RequestFile) -> RequestDraft:
    """Its name says how it is read."""
    if len(file.content) > limits.REQUEST:
        hint = "a bundle takes requests of at most 1 MiB; what is larger belongs into an image"
        raise UsageRefused(f"{file.name} has {len(file.content)} bytes", hint=hint)
    try:
        json.loads(file.content.decode("utf-8-sig"))
        suffix = "json"
    except (ValueError, RecursionError):
        suffix = "yaml"
    return RequestDraft(f"{number:04}.{suffix}", file.content, file.signatures)
