"""The table of contents as bytes, and back. Reading checks every limit and rule: what comes back is sound, or nothing comes back."""

from __future__ import annotations

import json
import re
from typing import Any

from kelvin_provision.bundles import limits
from kelvin_provision.bundles.model import (
    ARCHIVE,
    AS_DELTA,
    FOREIGN,
    IN_BOX,
    IN_BUNDLE,
    PACKAGE,
    SCHEMA,
    BundledDelta,
    BundledImage,
    BundledLayer,
    BundledRequest,
    Contents,
    Extent,
)
from kelvin_provision.bundles.rules import check, wrong
from kelvin_provision.bundles.strict import Strict
from kelvin_provision.errors import BundleInvalid, ReferenceInvalid
from kelvin_provision.files.dense import is_dense
from kelvin_provision.refs import Reference

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
"""Of a bundle, its requests and its files."""
_KEYS = frozenset(
    {
        "schema", "kind", "name", "serial", "made_by", "platforms", "boxes", "requests", "images", "needs", "files", "blobs",
        "chunks", "total", "parts", "annotations",
    }
)  # fmt: skip

_FORMS = (ARCHIVE, PACKAGE, FOREIGN)
_REQUEST = frozenset({"name", "content"})
_IMAGE = frozenset({"reference", "platform", "index", "manifest", "config", "layers"})
_DELTA = frozenset({"digest", "target", "needs", "memory"})
_LAYER = frozenset({"digest", "size", "diff_id", "unpacked", "in"})

_READ = Strict(wrong)
_object, _list, _number, _text = _READ.record, _READ.items, _READ.number, _READ.text
_matching, _digest, _platform = _READ.matching, _READ.digest, _READ.platform


def encode(contents: Contents) -> bytes:
    """The same value gives the same bytes."""
    document = {
        "schema": SCHEMA,
        "kind": contents.form,
        "name": contents.name,
        "serial": contents.serial,
        "made_by": contents.made_by,
        "platforms": [str(platform) for platform in contents.platforms],
        "boxes": list(contents.boxes),
        "requests": [_request_document(request) for request in contents.requests],
        "images": [_image_document(image) for image in contents.images],
        "needs": list(contents.needs),
        "files": [[name, *_extent_document(extent)] for name, extent in contents.files],
        "blobs": [_extent_document(blob) for blob in contents.blobs],
        "chunks": {"size": limits.CHUNK, "content": _extent_document(contents.chunks)},
        "total": contents.total,
        "parts": list(contents.parts),
        "annotations": dict(sorted(contents.annotations.items())),
    } | ({"tail": contents.tail} if contents.form == PACKAGE else {})
    document |= {"deltas": list(map(_delta_document, contents.deltas))} if contents.deltas else {}
    return json.dumps(document, separators=(",", ":"), ensure_ascii=True).encode()


def _extent_document(extent: Extent) -> list[Any]:
    return [extent.digest, extent.offset, extent.size]


def _request_document(request: BundledRequest) -> dict[str, Any]:
    signature = {"signature": _extent_document(request.signature)} if request.signature else {}
    return {"name": request.name, "content": _extent_document(request.content)} | signature


def _delta_document(delta: BundledDelta) -> dict[str, Any]:
    return {"digest": delta.digest, "target": delta.target, "needs": list(delta.needs), "memory": delta.memory}


def _image_document(image: BundledImage) -> dict[str, Any]:
    """What has no signatures reads as before there were any."""
    signatures = {"signatures": [list(signature) for signature in image.signatures]} if image.signatures else {}
    return {
        "reference": str(image.reference),
        "platform": str(image.platform),
        "index": image.index,
        "manifest": image.manifest,
        "config": image.config,
        "layers": [
            {"digest": layer.digest, "size": layer.size, "diff_id": layer.diff_id, "unpacked": layer.unpacked, "in": layer.source}
            for layer in image.layers
        ],
    } | signatures


# --- reading ----------------------------------------------------------------------------------------


def decode(data: bytes) -> Contents:
    """Only for bytes whose signature is verified, or where unsigned bundles are allowed. Raises BundleInvalid."""
    if is_dense(data):
        raise wrong("more values than a table of its size has")
    document = _READ.parsed(data, limits.CONTENTS)
    if other := _READ.other_schema(document, SCHEMA):
        raise BundleInvalid(f"the bundle has {other}")
    form = document.get("kind")
    if form not in _FORMS or set(document) - {"deltas"} != (_KEYS | {"tail"} if form == PACKAGE else _KEYS):
        raise wrong("other keys than those of a bundle")
    chunks = _object(document["chunks"], frozenset({"size", "content"}))
    if chunks["size"] != limits.CHUNK:
        raise wrong("chunks of another size")
    contents = Contents(
        name=_matching(NAME, document["name"], "name"),
        made_by=_text(document["made_by"], "made_by"),
        platforms=_list(document["platforms"], limits.PLATFORMS, _platform, "platforms"),
        requests=_list(document["requests"], limits.REQUESTS, _request, "requests"),
        images=_list(document["images"], limits.IMAGES, _image, "images"),
        blobs=_list(document["blobs"], limits.BLOBS, _extent, "blobs"),
        files=_list(document["files"], 16, _file, "files"),
        chunks=_extent(chunks["content"]),
        total=_number(document["total"], "total"),
        parts=_list(document["parts"], limits.PARTS, lambda size: _number(size, "a part", least=1), "parts"),
        boxes=_list(document["boxes"], limits.BOXES, lambda name: _text(name, "a box"), "boxes"),
        needs=_list(document["needs"], limits.BLOBS, _digest, "needs"),
        serial=_number(document["serial"], "serial"),
        annotations={_text(key, "an annotation"): _text(value, "an annotation") for key, value in _annotations(document["annotations"])},
        form=form,
        deltas=_list(document.get("deltas", []), limits.DELTAS, _delta, "deltas"),
        tail=_number(document["tail"], "tail") if form == PACKAGE else 0,
    )
    check(contents)
    return contents


def _annotations(value: Any) -> list[tuple[str, Any]]:
    if not isinstance(value, dict) or len(value) > limits.PLATFORMS:
        raise wrong("annotations are not a short object")
    return list(value.items())


def _optional_digest(value: Any) -> str | None:
    return None if value is None else _digest(value)


def _extent(value: Any) -> Extent:
    if not isinstance(value, list) or len(value) != 3:
        raise wrong("an extent is not [digest, offset, size]")
    return Extent(_digest(value[0]), _number(value[1], "an offset"), _number(value[2], "a size"))


def _file(value: Any) -> tuple[str, Extent]:
    if not isinstance(value, list) or len(value) != 4:
        raise wrong("a file is not [name, digest, offset, size]")
    return _matching(NAME, value[0], "the name of a file"), _extent(value[1:])


def _request(value: Any) -> BundledRequest:
    document = _object(value, _REQUEST, frozenset({"signature"}))
    content = _extent(document["content"])
    signature = _extent(document["signature"]) if "signature" in document else None
    if content.size > limits.REQUEST or (signature and signature.size > limits.SIGNATURES):
        raise wrong(f"a request over {limits.REQUEST} bytes")
    return BundledRequest(_matching(NAME, document["name"], "the name of a request"), content, signature)


def _image(value: Any) -> BundledImage:
    document = _object(value, _IMAGE, frozenset({"signatures"}))
    try:
        reference = Reference.parse(_text(document["reference"], "a reference"))
    except ReferenceInvalid as error:
        raise wrong("a reference that is not valid") from error
    index, manifest = _optional_digest(document["index"]), _digest(document["manifest"])
    if reference.digest not in {index, manifest} - {None}:
        raise wrong("a reference without the digest of its image")
    layers = _list(document["layers"], limits.LAYERS, _layer, "layers")
    signatures = _list(document.get("signatures", []), limits.IMAGE_SIGNATURES, _signature, "signatures")
    return BundledImage(reference, _platform(document["platform"]), manifest, _digest(document["config"]), layers, index, signatures)


def _signature(value: Any) -> tuple[str, ...]:
    digests = _list(value, limits.IMAGE_SIGNATURES + 1, _digest, "a signature")
    if not digests:
        raise wrong("a signature without a manifest")
    return digests


def _layer(value: Any) -> BundledLayer:
    document = _object(value, _LAYER)
    if document["in"] not in (IN_BUNDLE, IN_BOX, AS_DELTA):
        raise wrong("a layer that is neither in the bundle nor on the box")
    sizes = _number(document["size"], "a size"), _number(document["unpacked"], "a size")
    return BundledLayer(_digest(document["digest"]), sizes[0], _digest(document["diff_id"]), sizes[1], document["in"])


def _delta(value: Any) -> BundledDelta:
    document = _object(value, _DELTA)
    needs = _list(document["needs"], limits.SOURCES, _digest, "what a delta needs")
    if not needs:
        raise wrong("a delta that needs nothing")
    return BundledDelta(_digest(document["digest"]), _digest(document["target"]), needs, _number(document["memory"], "a size"))
