"""The files of a container as one small tar stream, written into it before its first start.

They lie in the container's own layer, so they are found offline and after a reboot. Contents are bounded by the size of a request.
"""

from __future__ import annotations

import base64
import io
import tarfile
from collections.abc import Sequence
from typing import Any


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
