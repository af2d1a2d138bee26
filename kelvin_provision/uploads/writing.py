"""Bytes at the end of an upload: written where they belong, and durable before they are acknowledged."""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack, suppress
from typing import Self

from kelvin_provision.errors import OurBug
from kelvin_provision.files.durable import writing_to
from kelvin_provision.uploads.folder import Uploads, record_offset


class Writer:
    """Use it as a context manager. Calls may come from several threads, one after another; after `close` nothing is written.

    `at` is where the next byte belongs. Raises Locked where another one writes, UploadUnknown.
    """

    def __init__(self, uploads: Uploads, identifier: str) -> None:
        self._lock = threading.Lock()
        with ExitStack() as stack:
            self._descriptor = stack.enter_context(uploads.held(identifier))
            self.upload = uploads.get(identifier)
            self._path, self._record = uploads.content(identifier), uploads.offset(identifier)
            self._stack = stack.pop_all()
        self.at = self._durable = self.upload.offset
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def room(self) -> int:
        """Bytes that are still to come."""
        return self.upload.announced.size - self.at

    def write(self, data: bytes | bytearray) -> None:
        """Raises NoSpace and what else a failing disk raises; what was acknowledged stays."""
        with self._lock:
            if self._closed or len(data) > self.room:
                raise OurBug("bytes for an upload that takes none")
            view = memoryview(data)
            with writing_to(self._path):
                while view:
                    written = os.pwrite(self._descriptor, view, self.at)
                    self.at += written
                    view = view[written:]

    def commit(self) -> int:
        """Make durable what was written; returns the offset, which may be acknowledged."""
        with self._lock:
            if not self._closed and self.at > self._durable:
                with writing_to(self._path):
                    os.fdatasync(self._descriptor)
                record_offset(self._record, self.at)
                self._durable = self.at
            return self._durable

    def close(self) -> None:
        """What was not committed is given back to the disk, which may be full."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if self.at > self._durable:
                with suppress(OSError):
                    os.ftruncate(self._descriptor, self._durable)
            self._stack.close()
