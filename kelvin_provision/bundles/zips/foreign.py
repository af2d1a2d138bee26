"""A zip of another program, read as a bundle: its table of contents is made here, and is the same each time.

Accepted are an OCI image layout, archives as `docker save` writes them, `{images: [{args, path}], manifests: [{file_name, content}]}` as
the platform has it for its own pods, and beside any of these a request. Nothing of it is signed.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

from kelvin_provision.bundles import limits
from kelvin_provision.bundles.contents import NAME, encode
from kelvin_provision.bundles.head import Head
from kelvin_provision.bundles.model import FOREIGN, IN_BOX, BundledRequest, Contents, Extent
from kelvin_provision.bundles.parts import BundleFiles
from kelvin_provision.bundles.writing.layout import UNKNOWN
from kelvin_provision.bundles.zips.directory import wrong
from kelvin_provision.bundles.zips.images import Gathered, add_layout
from kelvin_provision.bundles.zips.saved import add_archive
from kelvin_provision.bundles.zips.tars import Allowance, archive_in
from kelvin_provision.bundles.zips.unpacked import Unpacked
from kelvin_provision.files.dense import is_dense
from kelvin_provision.files.hashing import digest_of

_REQUESTS = frozenset({"workload.json", "workload.yaml", "workload.yml"})
_PAIR = frozenset({"images", "manifests"})
_NOT_PAIRS = frozenset({"index.json", "manifest.json", *_REQUESTS})
_ARCHIVES = _DOCUMENTS = 256
_MADE_BY = "another program"


def head_of(files: BundleFiles) -> Head:
    """Raises BundleInvalid, BundleDamaged, ManifestInvalid, ImageUnsupported, MediumGone."""
    with Unpacked(files, passes=limits.PASSES) as unpacked:
        contents, _ = _read(unpacked)
        data = encode(contents)
        return Head(b"", data, digest_of(data), FOREIGN)


def derived(files: BundleFiles) -> bytes:
    """The documents that are made of the zip, which lie behind it."""
    with Unpacked(files, passes=limits.PASSES) as unpacked:
        return _read(unpacked)[1]


def _read(unpacked: Unpacked) -> tuple[Contents, bytes]:
    gathered = Gathered(unpacked)
    names = {entry.name: Extent("", unpacked.start_of(entry), entry.size) for entry in unpacked.entries}
    requests = {name: _request(gathered, names[name]) for name in sorted(_REQUESTS & names.keys())}
    layouts = sorted(name.removesuffix("oci-layout") for name in names if name == "oci-layout" or name.endswith("/oci-layout"))
    for prefix in layouts[: _ARCHIVES + 1]:
        if f"{prefix}index.json" in names:
            add_layout(gathered, names, prefix)
    archives = sorted(name for name in names if name.endswith(".tar"))
    allowance = Allowance()
    for name in archives[: _ARCHIVES + 1]:
        add_archive(gathered, archive_in(unpacked, names[name].offset, names[name].size, name, allowance), name)
    for document in _pairs(gathered, names):
        requests |= _manifests(gathered, document)
    if max(len(archives), len(layouts)) > _ARCHIVES or len(requests) > limits.REQUESTS:
        raise wrong(f"more than {_ARCHIVES} archives or layouts, or {limits.REQUESTS} requests")
    if not gathered.images and not requests:
        raise wrong("it is no package, and has no OCI image layout with complete names, no archive of docker save and no request")
    return _contents(gathered, requests), bytes(gathered.documents)


def _request(gathered: Gathered, extent: Extent) -> Extent:
    return Extent(digest_of(gathered.read(extent, limits.REQUEST)), extent.offset, extent.size)


def _pairs(gathered: Gathered, names: dict[str, Extent]) -> Iterator[dict[str, Any]]:
    """At the top of the zip. A document that is too dense is none: it would fill the memory with empty values."""
    beside = sorted(name for name in names if "/" not in name and name.endswith(".json") and name not in _NOT_PAIRS)
    if len(beside) > _DOCUMENTS:
        raise wrong(f"more than {_DOCUMENTS} JSON files beside its folders")
    for name in beside:
        data = gathered.read(names[name], limits.ALL_REQUESTS)
        if is_dense(data):
            continue
        try:
            document = json.loads(data)
        except (ValueError, RecursionError):
            continue
        if isinstance(document, dict) and document.keys() >= _PAIR:
            yield document


def _manifests(gathered: Gathered, document: dict[str, Any]) -> dict[str, Extent]:
    """They are taken for requests; what is none is refused as any other request is, unless images alone are imported."""
    rows = document["manifests"]
    if not isinstance(rows, list) or len(rows) > limits.REQUESTS:
        raise wrong(f"manifests that are no list of at most {limits.REQUESTS}")
    requests: dict[str, Extent] = {}
    for row in rows:
        name, content = (row.get("file_name"), row.get("content")) if isinstance(row, dict) else (None, None)
        if not isinstance(name, str) or not isinstance(content, str) or not NAME.fullmatch(name) or name in requests:
            raise wrong("a manifest without a file name of its own, or without content")
        try:
            data = base64.b64decode(content, validate=True)
        except ValueError as error:
            raise wrong(f"the content of the manifest {name} is not base64") from error
        if len(data) > limits.REQUEST:
            raise wrong(f"the manifest {name} has {len(data)} bytes, the limit is {limits.REQUEST}")
        requests[name] = gathered.made(data)
    return requests


def _name(gathered: Gathered) -> str:
    """After the first image, and not after the file: another name of it does not make it another bundle."""
    first = gathered.images[0].reference if gathered.images else None
    text = f"{first.repository.rpartition('/')[2]}-{first.tag or 'untagged'}" if first else "requests"
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).lstrip("._-")[:128] or "zip"


def _contents(gathered: Gathered, requests: dict[str, Extent]) -> Contents:
    total = gathered.unpacked.total + len(gathered.documents)
    needs = {layer.digest: None for image in gathered.images for layer in image.layers if layer.source == IN_BOX}
    return Contents(
        name=_name(gathered),
        made_by=_MADE_BY,
        platforms=tuple(dict.fromkeys(image.platform for image in gathered.images))[: limits.PLATFORMS],
        requests=tuple(BundledRequest(name, extent) for name, extent in requests.items()),
        images=tuple(gathered.images),
        blobs=tuple(sorted(gathered.blobs.values(), key=lambda blob: blob.offset)),
        files=(),
        chunks=Extent(UNKNOWN, 0, 0),
        total=total,
        parts=(total,),
        needs=tuple(needs),
        form=FOREIGN,
    )
