"""The bytes of a bundle that is created: where each comes from, and how far they are."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import BinaryIO

from kelvin_provision.bundles.model import Contents, Extent
from kelvin_provision.bundles.writing.filling import Content
from kelvin_provision.bundles.writing.layout import Draft
from kelvin_provision.bundles.writing.output import Place
from kelvin_provision.bundles.writing.writer import Job, Written, write
from kelvin_provision.context import Context
from kelvin_provision.desk.box_deltas import BoxDeltas
from kelvin_provision.desk.gathering import Images
from kelvin_provision.errors import DigestMismatch
from kelvin_provision.events import Advanced, Finished, Started
from kelvin_provision.files.hashing import digest_of


def _nothing_to_open(extent: Extent) -> BinaryIO:
    raise DigestMismatch(f"{extent.digest} is of no image")


NOTHING = Images((), lambda: None, _nothing_to_open, {})


def opener(draft: Draft, images: Images, deltas: BoxDeltas) -> Content:
    """Opens each part of the bundle: documents, layers, deltas."""
    held = [data for _, data in draft.files]
    held += [data for request in draft.requests for data in (request.content, request.signature) if data is not None]
    documents: Mapping[str, bytes] = {digest_of(data): data for data in held}

    def opened(extent: Extent) -> BinaryIO:
        if extent.digest in deltas.files:
            return deltas.open(extent)
        data = documents.get(extent.digest)
        return images.open(extent) if data is None else io.BytesIO(data)

    return opened


def written(job: Job, images: Images) -> Written:
    """The disk may have changed under a blob that was verified: it is fetched again, and the writing goes on."""
    try:
        return write(job)
    except DigestMismatch:
        if not images.renew():
            raise
        images.fetch()
        return write(job)


class Reporter:
    """Progress as events: one task for each thing that is done with all bytes."""

    def __init__(self, ctx: Context, place: Place, contents: Contents) -> None:
        self._ctx = ctx
        self._task = f"{place.name}.kpb"
        self._total = contents.total
        self._verb = ""

    def report(self, verb: str, done: int) -> None:
        if verb != self._verb:
            self._verb = verb
            self._ctx.progress(Started(self._task, verb, self._total))
        self._ctx.progress(Advanced(self._task, done, self._total))
        if done == self._total:
            self._ctx.progress(Finished(self._task, _OUTCOMES[verb]))


_OUTCOMES = {"hashing": "hashed", "writing": "written", "reading back": "read back"}
