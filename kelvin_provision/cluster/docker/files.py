"""The files of a container as one small tar stream, written into it before its first start.

They lie in the container's own layer, so they are found offline and after a reboot. Contents are bounded by the size of a request.
"""

from __future__ import annotations

import base64
import io
import tarfile
from collections.abc import Sequence
from typing import Any

from kelvin_provision import timestamps
from kelvin_provision.cluster.labels import HOLD_FILE, HOLD_FOLDER
from kelvin_provision.files.notes import MOST, text_of
from kelvin_provision.status import Hold

HOLD_PATH = f"{HOLD_FOLDER}/{HOLD_FILE}"
HEAD = 4 * tarfile.BLOCKSIZE + MOST
"""Bytes that hold a short file with its headers; the rest of a long one is not asked for."""


def archive(files: Sequence[dict[str, Any]]) -> bytes:
    """Root's files, each at its absolute path; missing folders are made by the engine, existing ones stay as they are."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for file in files:
            data = base64.b64decode(file["base64"]) if "base64" in file else file["text"].encode()
            entry = tarfile.TarInfo(file["path"].lstrip("/"))
            entry.size, entry.mode = len(data), int(file["mode"], 8)
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def hold_of(head: bytes | None) -> Hold | None:
    """What the file at HOLD_PATH says, from the beginning of its tar. Anything that is there is a hold; only a plain file has a reason."""
    if head is None:
        return None
    try:
        with tarfile.open(fileobj=io.BytesIO(head), mode="r:") as tar:
            entry = tar.next()
    except tarfile.TarError:
        entry = None
    if entry is None or not entry.isreg():
        return Hold(f"({HOLD_FILE} is no plain file)", HOLD_PATH)
    data = head[entry.offset_data :][: min(entry.size, MOST)]
    return Hold(text_of(data), HOLD_PATH, timestamps.rfc3339_of_epoch(entry.mtime))
