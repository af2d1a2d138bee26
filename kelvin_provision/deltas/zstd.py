"""zstd from the standard library, or before Python 3.14 from its backport with the same API (ADR 0063). Imported late."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING or sys.version_info < (3, 14):
    from backports import zstd
else:
    from compression import zstd

from kelvin_provision.deltas import limits

CompressionParameter, ZstdError, ZstdFile = zstd.CompressionParameter, zstd.ZstdError, zstd.ZstdFile
ZstdCompressor, ZstdDecompressor = zstd.ZstdCompressor, zstd.ZstdDecompressor
_OPTIONS: dict[int, int] = {zstd.DecompressionParameter.window_log_max: limits.WINDOW_LOG}


def decompressor(dictionary: bytes | bytearray = b"") -> zstd.ZstdDecompressor:
    """For one frame with a window of at most 16 MiB. The dictionary is a prefix: raw bytes that the frame may refer to."""
    return zstd.ZstdDecompressor(zstd.ZstdDict(dictionary, is_raw=True).as_prefix if dictionary else None, _OPTIONS)


def decompressed(frame: bytes, size: int, dictionary: bytearray | None = None) -> bytes:
    """The content of one whole frame, which declares and has exactly `size` bytes. Raises ValueError for any other, without more memory.

    The dictionary is emptied: libzstd has a copy of it, and there is no memory for two.
    """
    try:
        if zstd.get_frame_info(frame).decompressed_size != size:
            raise ValueError("a frame of another size")
        decoder = decompressor(dictionary or b"")
        if dictionary:
            dictionary.clear()
        data = decoder.decompress(frame, size)
        if len(data) == size and not decoder.eof:  # the checksum of the frame, and nothing else, may still be unread
            data += decoder.decompress(b"", 1)
    except (zstd.ZstdError, EOFError) as error:
        raise ValueError("a frame that cannot be read") from error
    if len(data) != size or not decoder.eof or decoder.unused_data:
        raise ValueError("a frame of another size")
    return data


def compressed(data: bytes, dictionary: bytes, level: int) -> bytes:
    """One frame, which declares its size."""
    options: dict[int, int] = {zstd.CompressionParameter.compression_level: level, zstd.CompressionParameter.window_log: limits.WINDOW_LOG}
    known = zstd.ZstdDict(dictionary, is_raw=True).as_prefix if dictionary else None
    return zstd.compress(data, options=options, zstd_dict=known)


def content_size(frame: bytes) -> int:
    """The size that a frame declares. Raises ValueError if it declares none, or is no frame."""
    try:
        size = zstd.get_frame_info(frame).decompressed_size
    except zstd.ZstdError as error:
        raise ValueError("not a frame") from error
    if size is None:
        raise ValueError("a frame of unknown size")
    return size
