"""Where each member of a package lies, and its bytes. Pure: the same draft and checksums give the same bytes.

A package is a zip of stored entries: what a member has is one range of it, and the table of contents leads there as in a bundle. The
directory at the end is of no chunk: it has the checksum of the hashes of the chunks.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from kelvin_provision.bundles import limits
from kelvin_provision.bundles.contents import encode
from kelvin_provision.bundles.model import PACKAGE, BundledRequest, Contents, Extent
from kelvin_provision.bundles.writing.layout import UNKNOWN, Draft
from kelvin_provision.bundles.writing.stream import padded
from kelvin_provision.bundles.zips import records
from kelvin_provision.bundles.zips.records import Entry
from kelvin_provision.errors import OurBug
from kelvin_provision.files.hashing import digest_of
from kelvin_provision.files.tar_members import blob_path

SIGNATURES, CONTENTS, CHUNKS = "kelvin/signatures.json", "kelvin/bundle.json", "kelvin/chunks"
SIGNATURES_AT = records.LOCAL.size + len(SIGNATURES)
CONTENTS_AT = SIGNATURES_AT + limits.SIGNATURES + records.LOCAL.size + len(CONTENTS)
_ALIGNED = 4096
"""The hashes of the chunks begin at a multiple of this: then the table of contents may grow by some bytes without moving them."""
_LEAST = 4
"""Bytes of the shortest extra field."""
_ROUNDS, _SLACK = 32, 12
_TOP = frozenset({"manifest.yaml", "workload.json"})
"""Files that are not of the image layout."""

Checksums = Mapping[str, int]
"""CRC-32 by digest."""


def place(draft: Draft) -> Contents:
    """The table of contents, but for the digest of the hashes of the chunks. See `bundles.writing.layout`: it has the offsets in it."""
    for slack in range(_SLACK):
        chunks_at = _aligned(CONTENTS_AT, slack)
        for _ in range(_ROUNDS):
            contents = _placed(draft, chunks_at)
            if contents is None:
                break
            needed = _aligned(CONTENTS_AT + len(encode(contents)), slack)
            if needed == chunks_at:
                return contents
            chunks_at = needed
    raise OurBug("no table of contents has room for itself")


def _aligned(end: int, slack: int) -> int:
    """Where the hashes of the chunks begin, after a table that ends here."""
    least = end + records.LOCAL.size + len(CHUNKS) + _LEAST
    return (-(-least // _ALIGNED) + slack) * _ALIGNED


def _placed(draft: Draft, chunks_at: int) -> Contents | None:
    """None where no number of chunks fits."""
    count = 0
    for _ in range(_ROUNDS):
        contents = _with_chunks(draft, Extent(UNKNOWN, chunks_at, count * limits.HASH))
        needed = limits.chunk_count(contents.chunks.end, contents.hashed_end)
        if needed == count:
            return contents
        count = needed
    return None


def _with_chunks(draft: Draft, chunks: Extent) -> Contents:
    at = chunks.end

    def add(path: str, digest: str, size: int) -> Extent:
        nonlocal at
        extent = Extent(digest, at + records.local_size(path, size), size)
        at = extent.end
        return extent

    files = tuple((name, add(_file_path(name), digest_of(data), len(data))) for name, data in draft.files)
    requests = tuple(
        BundledRequest(request.name, add(request.name, digest_of(request.content), len(request.content))) for request in draft.requests
    )
    blobs = tuple(add(_blob_path(digest), digest, size) for digest, size in draft.blobs().items())
    contents = Contents(
        name=draft.name,
        made_by=draft.made_by,
        platforms=draft.platforms,
        requests=requests,
        images=draft.images,
        blobs=blobs,
        files=files,
        chunks=chunks,
        total=0,
        parts=(),
        serial=draft.serial,
        annotations=draft.annotations,
        form=PACKAGE,
    )
    tail = len(records.directory(list(_entries(contents, 0, {})), at))
    return replace(contents, total=at + tail, parts=(at + tail,), tail=tail)


def members(contents: Contents) -> Iterator[tuple[str, Extent]]:
    """Behind the hashes of the chunks, in order."""
    yield from ((_file_path(name), extent) for name, extent in contents.files)
    yield from ((request.name, request.content) for request in contents.requests)
    yield from ((_blob_path(blob.digest), blob) for blob in contents.blobs)


def resigned(contents: Contents, signatures: bytes) -> Iterator[tuple[int, bytes]]:
    """Other signatures: what is written where. Their checksum is in their header, and in the first record of the directory."""
    checksum = struct.pack("<L", zlib.crc32(signatures))
    yield SIGNATURES_AT, signatures
    yield records.LOCAL_CRC_AT, checksum
    yield contents.hashed_end + records.CENTRAL_CRC_AT, checksum


def has_entries(contents: Contents, table: int, entries: Sequence[Entry]) -> bool:
    """Whether these are the entries of a package with these contents and a table of that length, and nothing else is."""
    expected = [(entry.name, entry.at, entry.data, entry.packed, entry.size) for entry in _entries(contents, table, {})]
    return expected == [(entry.name, entry.at, entry.data, entry.packed, entry.size) for entry in entries]


def checksums_of(contents: Contents, entries: Sequence[Entry]) -> Checksums:
    """As the entries of a package say, which are covered by the hashes of the chunks."""
    by_name = {entry.name: entry.crc for entry in entries}
    return {extent.digest: by_name[path] for path, extent in members(contents)}


def _file_path(name: str) -> str:
    return name if name in _TOP else f"images/{name}"


def _blob_path(digest: str) -> str:
    return f"images/{blob_path(digest)}"


# --- bytes ----------------------------------------------------------------------------------------------


def pieces(contents: Contents, checksums: Checksums) -> Iterator[bytes | Extent]:
    """From the end of the hashes of the chunks to the directory."""
    for path, extent in members(contents):
        yield records.local(path, extent.size, checksums[extent.digest])
        yield extent


def head(table: bytes, hashes: bytes, chunks: Extent, signatures: bytes = b"") -> bytes:
    """Everything before the first chunk."""
    room = chunks.offset - CONTENTS_AT - len(table) - records.LOCAL.size - len(CHUNKS)
    if len(hashes) != chunks.size or len(signatures) > limits.SIGNATURES or room < _LEAST:
        raise ValueError(len(hashes), len(signatures), room)
    signed = padded(signatures)
    return b"".join(
        (
            records.local(SIGNATURES, len(signed), zlib.crc32(signed)) + signed,
            records.local(CONTENTS, len(table), zlib.crc32(table)) + table,
            records.local(CHUNKS, len(hashes), zlib.crc32(hashes), room) + hashes,
        )
    )


def tail(contents: Contents, checksums: Checksums, head: bytes) -> bytes:
    """The directory."""
    table = head[CONTENTS_AT : _table_end(head)]
    return records.directory(list(_entries(contents, len(table), {**checksums, **_checksums(contents, table, head)})), contents.hashed_end)


def _checksums(contents: Contents, table: bytes, head: bytes) -> Checksums:
    parts = {
        SIGNATURES: head[SIGNATURES_AT : SIGNATURES_AT + limits.SIGNATURES],
        CONTENTS: table,
        CHUNKS: head[contents.chunks.offset : contents.chunks.end],
    }
    return {name: zlib.crc32(data) for name, data in parts.items()}


def _table_end(head: bytes) -> int:
    """By the header of the table."""
    size: int = records.LOCAL.unpack_from(head, CONTENTS_AT - records.LOCAL.size - len(CONTENTS))[8]
    return CONTENTS_AT + size


def _entries(contents: Contents, table: int, checksums: Checksums) -> Iterator[Entry]:
    """Those of the directory; `table` is the length of the table of contents. Checksums of the first three are by their names."""
    heads: Sequence[tuple[str, int, int]] = (
        (SIGNATURES, SIGNATURES_AT, limits.SIGNATURES),
        (CONTENTS, CONTENTS_AT, table),
        (CHUNKS, contents.chunks.offset, contents.chunks.size),
    )
    at = 0
    for name, data, size in heads:
        yield Entry(name, at, data, size, size, checksums.get(name, 0))
        at = data + size
    for path, extent in members(contents):
        yield Entry(path, at, extent.offset, extent.size, extent.size, checksums.get(extent.digest, 0))
        at = extent.end
