"""A package is made: first the checksum of each content, which its header has, then the hashes of the chunks."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from contextlib import closing

from kelvin_provision.bundles.contents import encode
from kelvin_provision.bundles.model import Contents, Extent
from kelvin_provision.bundles.writing import pipeline
from kelvin_provision.bundles.writing.filling import Content, Filler, spans
from kelvin_provision.bundles.writing.stream import sealed
from kelvin_provision.bundles.zips import layout
from kelvin_provision.errors import DigestMismatch
from kelvin_provision.fast_dataclass import dataclass

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Package:
    """Complete but for the contents of its members, which are where they were."""

    contents: Contents
    table: bytes
    checksums: layout.Checksums
    head: bytes
    tail: bytes


def make(
    contents: Contents, content: Content, report: Callable[[int], None], put: Callable[[int, memoryview], None] = lambda *_: None
) -> Package:
    """Every content is read twice, one after the other. `put` gets each chunk with its offset, and at last the head and the tail.

    `report` gets the bytes that are done, of those of all contents and of the package. Raises DigestMismatch, and what the two raise.
    """
    done = 0

    def counted(size: int) -> None:
        nonlocal done
        done += size
        report(done)

    checksums = {extent.digest: _checksum(content, extent, counted) for _, extent in layout.members(contents)}
    hashes: list[bytes] = []
    with closing(Filler(layout.pieces(contents, checksums), content)) as filler:

        def take(offset: int, view: memoryview) -> None:
            hashes.append(hashlib.sha256(view).digest())
            put(offset, view)
            counted(len(view))

        pipeline.run(spans(contents.chunks.end, contents.hashed_end), lambda _, view: filler.fill(view), take)
    contents = sealed(contents, hashes)
    table = encode(contents)
    head = layout.head(table, b"".join(hashes), contents.chunks)
    package = Package(contents, table, checksums, head, layout.tail(contents, checksums, head))
    put(0, memoryview(head))
    put(contents.hashed_end, memoryview(package.tail))
    return package


def work(contents: Contents) -> int:
    """How many bytes `make` will report in all."""
    return sum(extent.size for _, extent in layout.members(contents)) + contents.hashed_end - contents.chunks.end


def _checksum(content: Content, extent: Extent, counted: Callable[[int], None]) -> int:
    value, left = 0, extent.size
    with closing(content(extent)) as file:
        while left:
            data = file.read(min(_BLOCK, left))
            if not data:
                raise DigestMismatch(f"{extent.digest}: {left} of {extent.size} bytes are missing in the store")
            value = zlib.crc32(data, value)
            left -= len(data)
            counted(len(data))
    return value
