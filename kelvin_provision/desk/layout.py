"""An artifact as an OCI image layout, which every tool of OCI can copy to a registry, and `--from FOLDER` reads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from kelvin_provision.errors import FileUnreadable
from kelvin_provision.files.durable import private_folder, write_durably
from kelvin_provision.files.tar_members import blob_path
from kelvin_provision.refs import Descriptor

_VERSION = {"imageLayoutVersion": "1.0.0"}


def write(folder: Path, entry: Mapping[str, Any], blobs: Iterable[tuple[Descriptor, Iterable[bytes]]]) -> None:
    """A new layout, or one more artifact in one that is there: `entry` of its index. Raises FileUnreadable, NoSpace, CannotWrite."""
    others = _entries(folder)
    for blob, chunks in blobs:
        path = folder / blob_path(blob.digest)
        private_folder(path.parent)
        write_durably(path, chunks, mode=0o644)
    rows = [*(row for row in others if row.get("digest") != entry["digest"]), dict(entry)]
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": rows}
    write_durably(folder / "oci-layout", [json.dumps(_VERSION).encode()], mode=0o644)
    write_durably(folder / "index.json", [json.dumps(index, indent=1).encode()], mode=0o644)


def _entries(folder: Path) -> list[dict[str, Any]]:
    path = folder / "index.json"
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return []
    try:
        rows = json.loads(path.read_bytes())["manifests"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise FileUnreadable(f"{folder} is there, and is no OCI image layout", hint="name a new folder") from error
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
