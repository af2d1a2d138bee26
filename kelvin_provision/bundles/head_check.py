"""The bytes before the first chunk, which no hash covers: they follow from the table of contents, to the byte."""

from __future__ import annotations

from collections.abc import Iterator

from kelvin_provision.bundles.head import Head
from kelvin_provision.bundles.model import PACKAGE, Extent
from kelvin_provision.bundles.writing import trust_members
from kelvin_provision.bundles.writing.layout import CONTENTS_AT, OCI_LAYOUT
from kelvin_provision.bundles.zips import layout as zips
from kelvin_provision.files.tar_members import BLOCK, header, padding


def first_difference(start: bytes, head: Head, chunks: Extent) -> int | None:
    """Where `start` is not what such a bundle begins with, signatures and the content of the two tables apart; None if it is.

    What lies between the trust documents and the hashes is of later versions.
    """
    for offset, expected in _expected(start, head, chunks):
        actual = start[offset : offset + len(expected)]
        if actual != expected:
            return offset + next((at for at, (a, b) in enumerate(zip(actual, expected, strict=False)) if a != b), len(actual))
    return None


def _expected(start: bytes, head: Head, chunks: Extent) -> Iterator[tuple[int, bytes]]:
    if head.form == PACKAGE:
        yield 0, zips.head(head.contents, start[chunks.offset : chunks.end], chunks, head.signatures)
        return
    layout = header("oci-layout", len(OCI_LAYOUT)) + OCI_LAYOUT + padding(len(OCI_LAYOUT))
    yield 0, layout + header("kelvin/signatures.json", len(head.signatures))
    table = header("kelvin/bundle.json", len(head.contents))
    yield len(layout) + BLOCK + len(head.signatures), table + head.contents + padding(len(head.contents))
    yield CONTENTS_AT + len(head.contents) + len(padding(len(head.contents))), b"".join(trust_members.pieces(head.trust))
    yield chunks.offset - BLOCK, header("kelvin/chunks", chunks.size)
