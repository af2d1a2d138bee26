"""A new upload, or the one that is to be continued."""

from __future__ import annotations

from dataclasses import dataclass

from kelvin_provision.errors import UploadsFull
from kelvin_provision.quantity import Headroom
from kelvin_provision.store import Store
from kelvin_provision.uploads.folder import Uploads
from kelvin_provision.uploads.model import Announced, Upload
from kelvin_provision.uploads.space import refuse_too_large

MOST = 16
"""Uploads of a box, complete or not."""


@dataclass(frozen=True)
class Begun:
    upload: Upload
    is_new: bool


def begin(uploads: Uploads, store: Store, announced: Announced, *, created: str, by: str, headroom: Headroom) -> Begun:
    """The same announcement of the same user continues the same upload, after a reload or a lost answer.

    One at a time. Raises UploadsFull, NoSpace.
    """
    there = uploads.all()
    for upload in there:
        if (upload.announced, upload.by) == (announced, by):
            return Begun(upload, is_new=False)
    if len(there) >= MOST:
        raise UploadsFull(f"this box keeps {MOST} uploads, and has as many")
    refuse_too_large(uploads, store, announced, headroom)
    return Begun(uploads.create(announced, created=created, by=by), is_new=True)
