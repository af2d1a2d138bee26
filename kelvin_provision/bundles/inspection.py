"""What a bundle on a medium has, and whether its bytes are whole: `bundle inspect`, `bundle verify`. Needs no state of this box."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kelvin_provision.bundles.acceptance import Accepted, accept, read_named
from kelvin_provision.bundles.head import Head
from kelvin_provision.bundles.model import AS_DELTA, FOREIGN, IN_BOX, BundledImage, BundledRequest, Contents
from kelvin_provision.bundles.opening import find, open_bundle
from kelvin_provision.bundles.part_file import size_of as size_of_file
from kelvin_provision.bundles.reader import Bundle
from kelvin_provision.errors import BundleDamaged, MediumGone, RequestRefused
from kelvin_provision.hints import command
from kelvin_provision.trust.documents.accepting import checked

if TYPE_CHECKING:
    from kelvin_provision.bundles.parts import BundleFiles
    from kelvin_provision.bundles.verify import VerifyResult
    from kelvin_provision.events import Progress
    from kelvin_provision.trust.believed import Trust


_LONGEST = 253
"""Characters of a name or version that are shown."""


@dataclass(frozen=True)
class BundlePlace:
    """Where to look: files or folders, several for parts on several media.

    `expect` is the digest that a person has compared with the desk, empty for none; `digest` the one that a client named the bundle by,
    which vouches for nothing. A bundle with another digest than these is refused.
    """

    places: tuple[Path, ...]
    expect: str = ""
    digest: str = ""


@dataclass(frozen=True)
class RequestSummary:
    """A request of a bundle. `error` says why it could not be read; the rest is empty then."""

    name: str
    size: int
    digest: str
    signed: bool
    workloads: tuple[tuple[str, str], ...] = ()
    """Name and version."""
    error: str = ""


@dataclass(frozen=True)
class InspectResult:
    """The table of contents, and who vouches for it. `missing` are the numbers of parts that are not here."""

    files: BundleFiles
    head: Head
    accepted: Accepted
    requests: tuple[RequestSummary, ...]
    missing: tuple[int, ...]

    @property
    def contents(self) -> Contents:
        return self.accepted.contents

    @property
    def warnings(self) -> tuple[str, ...]:
        return warnings_of(self.accepted, self.missing)

    def to_json(self) -> dict[str, Any]:
        contents = self.contents
        return {
            "name": contents.name,
            "serial": contents.serial,
            "digest": self.accepted.digest,
            "made_by": contents.made_by,
            "signatures": self.accepted.to_json(),
            "trust": self.accepted.trust_json(),
            "platforms": [str(platform) for platform in contents.platforms],
            "boxes": list(contents.boxes),
            "requests": [_request_to_json(request) for request in self.requests],
            "images": [_image_to_json(image, contents) for image in contents.images],
            "needs": list(contents.needs),
            "size": contents.total,
            "blobs": len(contents.blobs),
            "parts": list(self._parts()),
            "annotations": dict(contents.annotations),
            "warnings": list(self.warnings),
        }

    def _parts(self) -> Iterator[dict[str, Any]]:
        sizes = (self.contents.total,) if self.files.whole else self.contents.parts
        if self.contents.form == FOREIGN:
            sizes = (size_of_file(self.files.paths[1]),)
        for number, size in enumerate(sizes, 1):
            path = self.files.paths.get(number)
            yield {"number": number, "size": size, "path": None if path is None else str(path)}


def warnings_of(accepted: Accepted, missing: tuple[int, ...]) -> tuple[str, ...]:
    """What is to be said of a bundle whatever is done with it."""
    return tuple(filter(None, (accepted.warning, accepted.ignored_warning, missing_warning(missing))))


def missing_warning(missing: tuple[int, ...]) -> str:
    """Empty if all parts are here."""
    if not missing:
        return ""
    numbers = ", ".join(f"{first} to {last}" if last > first else str(first) for first, last in _ranges(missing))
    return f"part {numbers} is not here" if len(missing) == 1 else f"parts {numbers} are not here"


def _ranges(numbers: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    for _, group in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
        run = [number for _, number in group]
        yield run[0], run[-1]


def inspect(place: BundlePlace, trust: Trust) -> InspectResult:
    """Reads the table of contents and the requests, no image.

    Raises BundleMissing, BundleInvalid, BundleDamaged, MediumGone, and what `accept` and `read_named` raise.
    """
    head, accepted, bundle = _opened(place, trust)
    with bundle:
        requests = tuple(_summary(bundle, request) for request in accepted.contents.requests)
        return InspectResult(bundle.files, head, accepted, requests, bundle.missing)


def _opened(place: BundlePlace, trust: Trust) -> tuple[Head, Accepted, Bundle]:
    files = find(*place.places)
    head = read_named(files, place.digest, must_be_signed=trust.required("bundle"))
    accepted = accept(head, trust, place.expect)
    return head, accepted, open_bundle(files, head, accepted.contents)


def _summary(bundle: Bundle, request: BundledRequest) -> RequestSummary:
    workloads: tuple[tuple[str, str], ...] = ()
    error = ""
    try:
        workloads = tuple(_workloads(request.name, bundle.content(request.content)))
    except (MediumGone, BundleDamaged, RequestRefused) as refused:
        error = str(refused)
    signed = request.signature is not None
    return RequestSummary(request.name, request.content.size, request.content.digest, signed, workloads, error)


def _workloads(name: str, data: bytes) -> Iterator[tuple[str, str]]:
    from kelvin_provision.spec.read.documents import read  # not for bundles of images alone

    for document in read(name, data):
        value = document.value if isinstance(document.value, dict) else {}
        yield _word(value.get("name")), _word(value.get("app_version"))


def _word(value: object) -> str:
    """A text of a request that is not checked yet, or a question mark: it must not look like a line of ours."""
    return value if isinstance(value, str) and 0 < len(value) <= _LONGEST and value.isprintable() else "?"


def _request_to_json(request: RequestSummary) -> dict[str, Any]:
    workloads = [{"name": name, "version": version} for name, version in request.workloads]
    return {
        "name": request.name,
        "digest": request.digest,
        "size": request.size,
        "signed": request.signed,
        "workloads": workloads,
        "error": request.error or None,
    }


def size_of(image: BundledImage, contents: Contents) -> int:
    """Bytes of its blobs that are in the bundle; those that images share are counted for each."""
    layers = {layer.digest for layer in image.layers if layer.source == AS_DELTA}
    deltas = {delta.digest for delta in contents.deltas if delta.target in layers}
    return sum(contents.by_digest[digest].size for digest in {*image.digests(), *deltas} if digest in contents.by_digest)


def _image_to_json(image: BundledImage, contents: Contents) -> dict[str, Any]:
    return {
        "reference": str(image.reference),
        "platform": str(image.platform),
        "size": size_of(image, contents),
        "unpacked": sum(layer.unpacked for layer in image.layers),
        "layers": len(image.layers),
        "signatures": len(image.signatures),
        "on_box": sum(layer.source == IN_BOX for layer in image.layers),
        "as_deltas": sum(layer.source == AS_DELTA for layer in image.layers),
    }


# --- verify ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BundleVerified:
    """`result` has the evidence of damage."""

    files: BundleFiles
    accepted: Accepted
    result: VerifyResult

    @property
    def warnings(self) -> tuple[str, ...]:
        return warnings_of(self.accepted, self.result.missing)

    @property
    def error(self) -> BundleDamaged | None:
        """None if all that is here is whole."""
        bad = self.result.bad
        if not bad:
            return None
        count = self.result.bad_chunks
        chunks = f"{count} of {self.result.chunks} chunks" if count else "a part of it"
        text = f"the bundle {self.accepted.contents.name} is damaged: {chunks}"
        by_hand = "copy the named files again, or repair them at the desk"
        hint = command("bundle create", "FILE", "--to", "PLACE", "--repair", instruction=by_hand)
        return BundleDamaged(text, hint=hint, evidence=[place.text for place in bad])

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.accepted.contents.name,
            "digest": self.accepted.digest,
            "signatures": self.accepted.to_json(),
            **self.result.to_json(),
            "warnings": list(self.warnings),
        }


def verified(place: BundlePlace, trust: Trust, progress: Progress) -> BundleVerified:
    """Reads every byte that is here. Raises as `inspect` does, and TrustDocumentInvalid, TrustDocumentRefused; damage is in the result."""
    from kelvin_provision.bundles.verify import verify  # threads, which `inspect` does without

    head, accepted, bundle = _opened(place, trust)
    if accepted.ignored:
        checked(head.trust)  # no hash of the bundle covers them, and no key of this box
    with bundle:
        return BundleVerified(bundle.files, accepted, verify(bundle, head, progress))
