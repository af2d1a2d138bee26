"""`bundle inspect` for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from kelvin_provision.bundles.inspection import size_of
from kelvin_provision.bundles.model import AS_DELTA, IN_BOX
from kelvin_provision.cli.commands.bundle.place import compared
from kelvin_provision.quantity import format_bytes

if TYPE_CHECKING:
    from kelvin_provision.bundles.acceptance import Accepted
    from kelvin_provision.bundles.inspection import InspectResult, RequestSummary
    from kelvin_provision.bundles.model import BundledImage, Contents

_WIDTH = 12


def described(result: InspectResult) -> str:
    """The digest is whole, and without its algorithm, so that it is not shortened: it is compared by eye."""
    contents, accepted = result.contents, result.accepted
    lines = [
        ("Name", contents.name),
        *([("Serial", str(contents.serial))] if contents.serial else []),
        ("Digest", compared(accepted.digest)),
        ("Signed by", _signers(accepted)),
        *(_listed("Trust", documents) if (documents := _documents(accepted)) else ()),
        ("Made by", contents.made_by),
        ("For", ", ".join(contents.boxes) or "any box"),
        *_listed("Platforms", map(str, contents.platforms)),
        *_listed("Requests", map(_request, result.requests)),
        *_listed("Images", (_image(image, contents) for image in contents.images)),
        ("Needs", _needs(contents)),
        ("Size", f"{format_bytes(contents.total)}, {len(contents.blobs)} blobs"),
        *_listed("Parts", _parts(result)),
        *([*_listed("Notes", (f"{key} = {value}" for key, value in contents.annotations.items()))] if contents.annotations else []),
    ]
    return "".join(f"{f'{key}:' if key else '':<{_WIDTH}}{' '.join(value.splitlines())}\n" for key, value in lines)


def _listed(key: str, values: Iterable[str]) -> Iterator[tuple[str, str]]:
    listed = list(values) or ["none"]
    yield from ((key if number == 0 else "", value) for number, value in enumerate(listed))


def _signers(accepted: Accepted) -> str:
    unknown = accepted.unknown
    others = f"{unknown} key{'' if unknown == 1 else 's'} that this box does not trust" if unknown else ""
    trusted = [f"{signer.text}, trusted by this box" for signer in accepted.signers]
    return "; ".join(filter(None, [*trusted, others])) or "no key; compare the digest with the desk where it was made"


def _documents(accepted: Accepted) -> list[str]:
    """Those that this box does not know yet."""
    return [f"document {step.document.number}, new here, signed by {', '.join(step.signed_by)}" for step in accepted.steps]


def _request(request: RequestSummary) -> str:
    what = request.error or ", ".join(f"{name} {version}" for name, version in request.workloads) or "nothing"
    return f"{request.name}: {what}{' (signed)' if request.signed else ''}"


def _image(image: BundledImage, contents: Contents) -> str:
    on_box = sum(layer.source == IN_BOX for layer in image.layers)
    layers = f"{len(image.layers)} layer{'' if len(image.layers) == 1 else 's'}"
    more = f", {on_box} of them already on the box" if on_box else ""
    deltas = sum(layer.source == AS_DELTA for layer in image.layers)
    more += f", {deltas} as deltas" if deltas else ""
    return f"{image.reference} ({image.platform}, {format_bytes(size_of(image, contents))}, {layers}{more})"


def _needs(contents: Contents) -> str:
    count = len(contents.needs)
    return f"{count} blob{'' if count == 1 else 's'} that the box must have" if count else "nothing that the box must have"


def _parts(result: InspectResult) -> Iterator[str]:
    for part in result.to_json()["parts"]:
        yield f"{part['path'] or 'not here'}, {format_bytes(part['size'])}"
