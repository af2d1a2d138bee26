"""Files of a container as a tar: those written into it before its first start, and the hold file that it writes itself. Pure.

Written files lie in the container's own layer, so they are there offline and after a reboot. A request bounds their size.
"""

from __future__ import annotations

import base64
import io
import tarfile
from collections.abc import Sequence
from typing import Any

from kelvin_provision import timestamps
from kelvin_provision.cluster.labels import HOLD_FILE, HOLD_FOLDER
from kelvin_provision.files.notes import MAX_BYTES, printable
from kelvin_provision.observation import Hold

HOLD_PATH = f"{HOLD_FOLDER}/{HOLD_FILE}"
HOLD_ARCHIVE_BYTES = 4 * tarfile.BLOCKSIZE + MAX_BYTES
"""Enough for a short file and its headers; the rest of a long one is not read."""


def files_archive(files: Sequence[dict[str, Any]]) -> bytes:
    """Files of root, each at its absolute path. The engine creates missing folders and leaves existing ones as they are."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for file in files:
            data = base64.b64decode(file["base64"]) if "base64" in file else file["text"].encode()
            entry = tarfile.TarInfo(file["path"].lstrip("/"))
            entry.size, entry.mode = len(data), int(file["mode"], 8)
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def hold_from(archive: bytes | None) -> Hold | None:
    """From the beginning of the tar of HOLD_PATH. Whatever exists there is a hold; only a regular file has a reason."""
    if archive is None:
        return None
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as tar:
            entry = tar.next()
    except tarfile.TarError:
        entry = None
    if entry is None or not entry.isreg():
        return Hold(f"({HOLD_FILE} is not a regular file)", HOLD_PATH)
    data = archive[entry.offset_data :][: min(entry.size, MAX_BYTES)]
    return Hold(printable(data), HOLD_PATH, timestamps.rfc3339_of_epoch(entry.mtime))
