"""Whether the bytes of a complete upload are those that were announced."""

from __future__ import annotations

from pathlib import Path

from kelvin_provision.errors import BundleDamaged, DigestMismatch
from kelvin_provision.files.durable import read_chunks, write_durably
from kelvin_provision.files.hashing import verified
from kelvin_provision.uploads.folder import Uploads


def checked_content(uploads: Uploads, identifier: str) -> Path:
    """The path of its content, which is read and compared once where a hash was announced. Raises BundleDamaged, UploadUnknown."""
    upload, path = uploads.get(identifier), uploads.content(identifier)
    note = path.with_name("checked")
    if upload.announced.sha256 and not note.exists():
        try:
            for _ in verified(read_chunks(path), f"sha256:{upload.announced.sha256}", upload.announced.size):
                pass
        except DigestMismatch as error:
            hint = "remove the upload, and send the file again"
            raise BundleDamaged(f"the upload {upload.announced.name} is damaged: {error}", hint=hint) from error
        write_durably(note, [])
    return path
