"""The uploads of a box on its disk.

Each is a folder: `upload.json` says what it is and never changes, `bundle.kpb` has the bytes, `offset` how many of them are durable.
A folder appears and disappears by a rename, so that there is no half of one. Names of clients are in the document only.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from kelvin_provision.errors import Locked, UploadUnknown
from kelvin_provision.files.durable import open_own, private_folder, read_own, rename_durably, sync_folder, write_durably, writing_to
from kelvin_provision.uploads.model import Announced, Upload

_ID = re.compile(r"[0-9a-f]{16}")
_DOCUMENT, _CONTENT, _OFFSET = "upload.json", "bundle.kpb", "offset"
_DIGITS = 20
_GONE = "."
"""The prefix of a folder that is being made or removed."""


class Uploads:
    """Nothing is created before the first upload is."""

    def __init__(self, state_dir: Path) -> None:
        self.root = state_dir / "uploads"

    def all(self) -> tuple[Upload, ...]:
        """The oldest first, by the clock of the box."""
        names = [path.name for path in self.root.iterdir()] if self.root.is_dir() else []
        uploads = []
        for name in names:
            with suppress(UploadUnknown):
                uploads.append(self.get(name))
        return tuple(sorted(uploads, key=lambda upload: (upload.created, upload.id)))

    def get(self, identifier: str) -> Upload:
        """Raises UploadUnknown, also for what is no identifier: an identifier is the name of a folder of ours."""
        path = self._path(identifier)
        try:
            document = json.loads(read_own(path / _DOCUMENT))
            announced = Announced(document["name"], document["size"], document["sha256"], document["mark"])
            upload = Upload(identifier, announced, document["created"], document["by"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UploadUnknown(f"there is no upload {identifier}") from error
        return replace(upload, offset=min(_offset(path / _OFFSET), announced.size, _size(path / _CONTENT)))

    def content(self, identifier: str) -> Path:
        """Where its bytes are. Raises UploadUnknown."""
        return self._path(identifier) / _CONTENT

    def offset(self, identifier: str) -> Path:
        """Where the number of its durable bytes is. Raises UploadUnknown."""
        return self._path(identifier) / _OFFSET

    def create(self, announced: Announced, *, created: str, by: str) -> Upload:
        """Durable when it returns. Raises what a full or failing disk raises."""
        identifier = secrets.token_hex(8)
        made, path = self.root / f"{_GONE}{identifier}", self._path(identifier)
        document = {
            "name": announced.name,
            "size": announced.size,
            "sha256": announced.sha256,
            "mark": announced.mark,
            "created": created,
            "by": by,
        }
        try:
            sync_folder(private_folder(self.root).parent)
            private_folder(made)
            write_durably(made / _DOCUMENT, [json.dumps(document).encode()])
            write_durably(made / _OFFSET, [_encoded(0)])
            write_durably(made / _CONTENT, [])
            rename_durably(made, path)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
        return Upload(identifier, announced, created, by)

    def remove(self, identifier: str) -> None:
        """It is gone when this returns, also after a power cut. Raises UploadUnknown, and Locked while bytes are being written."""
        path, gone = self._path(identifier), self.root / f"{_GONE}{identifier}"
        with self.held(identifier):
            rename_durably(path, gone)
            shutil.rmtree(gone, ignore_errors=True)

    def sweep(self) -> None:
        """Remove what a crash has left of uploads that were being made or removed. No other process may be at it."""
        for path in self.root.glob(f"{_GONE}*") if self.root.is_dir() else ():
            shutil.rmtree(path, ignore_errors=True)

    @contextmanager
    def held(self, identifier: str) -> Iterator[int]:
        """The open file with its bytes, for one writer in any process. Raises Locked, UploadUnknown."""
        import fcntl

        path = self.content(identifier)
        if not path.is_file():
            raise UploadUnknown(f"there is no upload {identifier}")
        descriptor = open_own(path, os.O_RDWR)
        try:
            try:
                with writing_to(path):
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Locked(f"bytes of the upload {identifier} are being received at this moment") from None
            if not path.is_file():  # removed between the two
                raise UploadUnknown(f"there is no upload {identifier}")
            yield descriptor
        finally:
            os.close(descriptor)

    def _path(self, identifier: str) -> Path:
        if not _ID.fullmatch(identifier):
            raise UploadUnknown(f"there is no upload {identifier[:40]!r}")
        return self.root / identifier


def record_offset(path: Path, offset: int) -> None:
    """Durable when it returns. The number lies in one sector, which a disk writes as a whole or not at all."""
    descriptor = open_own(path, os.O_WRONLY)
    try:
        with writing_to(path):
            os.pwrite(descriptor, _encoded(offset), 0)
            os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def _encoded(offset: int) -> bytes:
    return f"{offset:0{_DIGITS}d}".encode()


def _offset(path: Path) -> int:
    """0 where it cannot be read: unacknowledged bytes are sent again."""
    with suppress(OSError, ValueError):
        return int(read_own(path))
    return 0


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0
