"""What a bundle may have. More is refused before anything is written."""

from __future__ import annotations

from kelvin_provision.trust.documents import model as trust

SIGNATURES = 16 << 10
"""Bytes of the signatures, with their padding."""
TRUST = trust.MOST * 2 * (trust.LARGEST + 512)
"""Bytes of all trust documents, with their signatures and headers."""
CONTENTS = 16 << 20
"""Bytes of the table of contents."""
NUMBER = 1 << 53
REQUESTS = 256
REQUEST = 1 << 20
"""Bytes of one request."""
ALL_REQUESTS = 8 << 20
"""Bytes of all of them: they are in memory together, parsed."""
IMAGES = 1024
BLOBS = 65_536
LAYERS = 256
"""Layers of one image."""
DELTAS = 8192
"""Deltas of all layers."""
SOURCES = 16
"""Layers that one delta is made from."""
MANIFEST = 4 << 20
CONFIG = 8 << 20
IMAGE_SIGNATURES = 32
"""Signatures of one image."""
IMAGE_SIGNATURE = 1 << 20
"""Bytes of the manifest of one, and of a payload."""
ALL_IMAGE_SIGNATURES = 4 << 20
"""Bytes of all signatures of one image: they are in memory together."""
PARTS = 999
HASHES = 16 << 20
"""Bytes of the hashes of the chunks: those of a bundle of 2 TiB."""
BOXES = 1024
PLATFORMS = 16
CHUNK = 4 << 20
"""Bytes that one hash of `kelvin/chunks` covers."""
HASH = 32
"""Bytes of one hash of a chunk."""
ENTRIES = 2 * BLOBS
"""Files and folders of a zip."""
DIRECTORY = 32 << 20
"""Bytes of the directory of a zip."""
ENTRY_NAME = 1024
"""Bytes of a name in a zip, and in an archive in one."""
RATIO = 200
"""How many times its size what is in a zip may unpack to."""
UNCHECKED_RATIO = 1 << 20
"""Bytes that may unpack from any number of them."""
UNCHECKED_TOTAL = 64 << 20
"""The same of all entries of a zip together."""
ARCHIVE_HEADERS = 128 << 20
"""Bytes of the headers of all archives in a zip: parsing them costs a hundred times what unpacking them does."""
DOCUMENTS = 128 << 20
"""Bytes of all documents that are read for the table of contents of a zip of another program."""
PASSES = 3
"""How often a zip of another program is unpacked for its table of contents: for what is where, for the documents, and once more."""
FAT_PART = 1023 * CHUNK
"""4092 MiB: the largest part below what FAT32 can hold."""


def chunk_count(start: int, total: int) -> int:
    """Of the bytes from here to the end, by the grid of absolute offsets."""
    return -(-total // CHUNK) - start // CHUNK
