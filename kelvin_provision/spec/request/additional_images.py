"""The additional images of a request (`images`), and a warning for each text that looks like an image and is in no list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kelvin_provision.errors import ReferenceInvalid
from kelvin_provision.refs import Reference
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.images import images_of
from kelvin_provision.spec.read.findings import Findings, Path
from kelvin_provision.spec.request.image_texts import in_object, in_payload
from kelvin_provision.spec.request.rules import check_image
from kelvin_provision.spec.workload import Spec

if TYPE_CHECKING:
    from kelvin_provision.spec.request.objects import Placed

MAX_IMAGES = 100


def additional_images(values: Sequence[Any], method: Method, findings: Findings, *, allow_latest: bool) -> tuple[str, ...]:
    """Complete references, each once."""
    if len(values) > MAX_IMAGES:
        findings.add(("images",), f"{len(values)} images; the limit is {MAX_IMAGES}")
        return ()
    if values and not method.staged:
        findings.warn(("images",), f"has no effect with deployment_type {method}: nothing is downloaded before the cluster needs it")
    images = [check_image(value, ("images", number), method, findings, allow_latest=allow_latest) for number, value in enumerate(values)]
    return tuple(dict.fromkeys(filter(None, images)))


def warn_of_texts(spec: Spec, objects: Sequence[Placed], findings: Findings, *, allow_latest: bool) -> None:
    """At most once per image."""
    known = {_complete(image) for image in images_of(spec)}
    texts = [
        ((*path, *place), f"{obj['kind']}/{obj['metadata']['name']}: ", text) for path, obj in objects for place, text in in_object(obj)
    ]
    texts += [(("payload", *place), "", text) for place, text in in_payload(spec.payload)]
    for place, named, text in texts:
        if (image := _complete(text)) not in known:
            known.add(image)
            _warn(place, named, text, findings, allow_latest=allow_latest)


def _warn(path: Path, named: str, text: str, findings: Findings, *, allow_latest: bool) -> None:
    more = " --allow-latest" if Reference.parse(text).mutable and not allow_latest else ""
    findings.warn(
        path,
        f"{named}{text} looks like an image, which is not downloaded; if it is needed, add `--image {text}{more}` to the command,"
        f" or `images: [{text}]` to the request",
    )


def _complete(text: str) -> str:
    try:
        return str(Reference.parse(text))
    except ReferenceInvalid:
        return text
