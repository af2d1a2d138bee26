"""The uncompressed bytes of a layer that is plain, gzip or zstd: its first bytes tell which. Memory is bounded."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import BinaryIO

_PART = 128 << 10
_MOST = 1 << 20
"""Bytes that are decompressed at once: gzip can make a thousand of one."""
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_SKIPPED = tuple(bytes((low,)) + b"\x2a\x4d\x18" for low in range(0x50, 0x60))
"""A frame without content, which may be the first of a zstd file (RFC 8878)."""


class NotReadable(ValueError):
    """The bytes are damaged, cut off, or need more memory than there may be."""


def plain(file: BinaryIO) -> Iterator[bytes]:
    """Reads from the present position of the file. Raises NotReadable, and OSError of the file."""
    first = file.read(_PART)
    if first.startswith(GZIP):
        return _gunzipped(first, file)
    if first.startswith((ZSTD, *_SKIPPED)):
        return _of_zstd(first, file)
    return _as_is(first, file)


def _as_is(data: bytes, file: BinaryIO) -> Iterator[bytes]:
    while data:
        yield data
        data = file.read(_MOST)


def _gunzipped(data: bytes, file: BinaryIO) -> Iterator[bytes]:
    """Also several members, as pigz and eStargz write them; zeros may follow."""
    try:
        while data:
            decoder = zlib.decompressobj(31)
            while True:
                if chunk := decoder.decompress(data, _MOST):
                    yield chunk
                if decoder.eof:
                    break
                if not (data := decoder.unconsumed_tail or file.read(_PART)):
                    raise NotReadable("a gzip stream that is cut off")
            data = (decoder.unused_data or file.read(_PART)).lstrip(b"\0")
    except zlib.error as error:
        raise NotReadable("a gzip stream that is damaged") from error


def _of_zstd(data: bytes, file: BinaryIO) -> Iterator[bytes]:
    """Also several frames, as zstd:chunked writes them."""
    from kelvin_provision.deltas import zstd

    try:
        while data:
            decoder = zstd.decompressor()
            while not decoder.eof:
                if chunk := decoder.decompress(data, _MOST):
                    yield chunk
                data = b""
                if not decoder.eof and decoder.needs_input and not (data := file.read(_PART)):
                    raise NotReadable("a zstd stream that is cut off")
            data = decoder.unused_data or file.read(_PART)
    except zstd.ZstdError as error:
        raise NotReadable("a zstd stream that is damaged, or has a window of more than 16 MiB") from error
