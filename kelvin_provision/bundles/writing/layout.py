"""Where each member of a bundle lies. Pure: sizes and digests in, the table of contents out.

The table of contents has the offsets of what comes after it, and so its own length depends on them. It is made with a length, and again
with the length that it had, until both are the same: more bytes before a member never make its offset shorter to write, so the lengths
grow, by less each time. The exception is a boundary of chunks between two lengths, which has one of them lead to the other and back; then
the archive ends with a chunk of zeros more, and the boundary does not matter.
"""

from __future__ import annotations

import tarfile
from collections.abc import Mapping
from dataclasses import field, replace

from kelvin_provision.bundles import limits
from kelvin_provision.bundles.contents import encode
from kelvin_provision.bundles.model import IN_BUNDLE, BundledDelta, BundledImage, BundledRequest, Contents, Extent
from kelvin_provision.bundles.writing import trust_members
from kelvin_provision.errors import OurBug
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.hashing import digest_of
from kelvin_provision.files.tar_members import BLOCK, END, blob_path, header_size, whole
from kelvin_provision.refs import Platform
from kelvin_provision.trust.documents.model import SignedDocument

OCI_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
SIGNATURES_AT = 3 * BLOCK
"""Where the content of `kelvin/signatures.json` begins, after `oci-layout`."""
CONTENTS_AT = SIGNATURES_AT + limits.SIGNATURES + BLOCK
UNKNOWN = "sha256:" + 64 * "0"
"""The digest of the hashes of the chunks, before the chunks were read."""
_ROUNDS = 32


@dataclass(frozen=True)
class RequestDraft:
    """A request, and its signature where it has one, as bytes."""

    name: str
    content: bytes
    signature: bytes | None = None


@dataclass(frozen=True)
class Draft:
    """What a bundle is to have. `sizes` are those of indexes, manifests, configs, signatures and deltas. A `part_size` of 0: one file."""

    name: str
    made_by: str
    platforms: tuple[Platform, ...]
    requests: tuple[RequestDraft, ...]
    images: tuple[BundledImage, ...]
    sizes: Mapping[str, int]
    files: tuple[tuple[str, bytes], ...]
    boxes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    serial: int = 0
    part_size: int = 0
    annotations: Mapping[str, str] = field(default_factory=dict)
    trust: tuple[SignedDocument, ...] = ()
    deltas: tuple[BundledDelta, ...] = ()

    def blobs(self) -> Mapping[str, int]:
        """Sizes by digest in the order of the archive: documents of all images, deltas, then layers, first what the first image needs."""
        documents = {
            digest: self.sizes[digest] for image in self.images for digest in (image.index, image.manifest, image.config) if digest
        }
        documents |= {digest: self.sizes[digest] for image in self.images for signature in image.signatures for digest in signature}
        documents |= {delta.digest: self.sizes[delta.digest] for delta in self.deltas}
        layers = {layer.digest: layer.size for image in self.images for layer in image.layers if layer.source == IN_BUNDLE}
        return documents | {digest: size for digest, size in layers.items() if digest not in documents}


def request_path(name: str) -> str:
    return f"kelvin/requests/{name}"


def signature_path(name: str) -> str:
    return f"{request_path(name)}.sig"


def place(draft: Draft) -> Contents:
    """The table of contents, but for the digest of the hashes of the chunks."""
    for slack in (0, limits.CHUNK):
        length = 0
        for _ in range(_ROUNDS):
            contents = _placed(draft, CONTENTS_AT + length + trust_members.size(draft.trust) + BLOCK, slack)
            if contents is None:
                break
            needed = whole(len(encode(contents)))
            if needed == length:
                return contents
            length = needed
    raise OurBug("no table of contents has room for itself")


def _placed(draft: Draft, chunks_at: int, slack: int) -> Contents | None:
    """With the hashes of the chunks at this offset."""
    rest = _Cursor(0)
    requests, files, blobs = _members(draft, rest)
    room = rest.offset + len(END) + slack
    table = _chunks(chunks_at, room)
    if table is None:
        return None
    chunks, total = table
    start = chunks_at + whole(chunks.size)

    def moved(extent: Extent) -> Extent:
        return Extent(extent.digest, extent.offset + start, extent.size)

    return Contents(
        name=draft.name,
        made_by=draft.made_by,
        platforms=draft.platforms,
        requests=tuple(
            replace(request, content=moved(request.content), signature=moved(request.signature) if request.signature else None)
            for request in requests
        ),
        images=draft.images,
        blobs=tuple(map(moved, blobs)),
        files=tuple((name, moved(extent)) for name, extent in files),
        chunks=chunks,
        total=total,
        parts=cut(total, draft.part_size),
        boxes=draft.boxes,
        needs=draft.needs,
        serial=draft.serial,
        annotations=draft.annotations,
        deltas=draft.deltas,
    )


class _Cursor:
    """Members one after the other."""

    def __init__(self, offset: int) -> None:
        self.offset = offset

    def add(self, path: str, digest: str, size: int) -> Extent:
        extent = Extent(digest, self.offset + header_size(path), size)
        self.offset = extent.offset + whole(size)
        return extent


def _members(draft: Draft, cursor: _Cursor) -> tuple[tuple[BundledRequest, ...], tuple[tuple[str, Extent], ...], tuple[Extent, ...]]:
    files = tuple((name, cursor.add(name, digest_of(data), len(data))) for name, data in draft.files)
    requests = tuple(_request(request, cursor) for request in draft.requests)
    blobs = tuple(cursor.add(blob_path(digest), digest, size) for digest, size in draft.blobs().items())
    return requests, files, blobs


def _request(request: RequestDraft, cursor: _Cursor) -> BundledRequest:
    content = cursor.add(request_path(request.name), digest_of(request.content), len(request.content))
    signature = request.signature
    signed = cursor.add(signature_path(request.name), digest_of(signature), len(signature)) if signature is not None else None
    return BundledRequest(request.name, content, signed)


def _chunks(at: int, room: int) -> tuple[Extent, int] | None:
    """The extent of the hashes, and the size of the archive, when the members after them need this room; None when no number fits."""
    count = 0
    for _ in range(_ROUNDS):
        end = at + count * limits.HASH
        total = -(-(at + whole(count * limits.HASH) + room) // tarfile.RECORDSIZE) * tarfile.RECORDSIZE
        needed = limits.chunk_count(end, total)
        if needed == count:
            return Extent(UNKNOWN, at, count * limits.HASH), total
        count = needed
    return None


def cut(total: int, part_size: int) -> tuple[int, ...]:
    """The sizes of the parts."""
    if not part_size or total <= part_size:
        return (total,)
    whole_parts, last = divmod(total, part_size)
    return (part_size,) * whole_parts + ((last,) if last else ())
