"""Idle uploads are removed.

Their age is the time for which this program has seen them idle, added up in a file beside each. The clock of a box may jump by decades,
which must not remove an upload that is under way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from kelvin_provision.errors import ProvisionError
from kelvin_provision.quantity import DAY, HOUR, parse_count
from kelvin_provision.uploads.folder import Uploads

KEPT = 7 * DAY
"""Seconds for which an upload is kept that gets no byte and is not imported."""
EVERY = HOUR


class Tidying:
    """`clock` only ever goes forward. Use it in one thread."""

    def __init__(self, uploads: Uploads, clock: Callable[[], float] = time.monotonic) -> None:
        self._uploads = uploads
        self._clock = clock
        self._looked = clock()
        self._offsets: dict[str, int] = {}

    def take(self, media: Collection[str] = ()) -> list[str]:
        """Look at all uploads; returns the names of those that were removed. A late look counts as one in time.

        `media` are places of imported bundles: an upload there is kept, however long it is idle.
        """
        now = self._clock()
        passed, self._looked = min(now - self._looked, EVERY), now
        removed, offsets = [], {}
        for upload in self._uploads.all():
            note = self._uploads.content(upload.id).with_name("idle")
            if str(self._uploads.content(upload.id).absolute()) in media:
                continue
            moved = self._offsets.get(upload.id, upload.offset) != upload.offset
            idle = 0.0 if moved else _read(note) + passed
            with suppress(ProvisionError):  # it is being written at this moment, or the disk takes nothing
                if idle >= KEPT:
                    self._uploads.remove(upload.id)
                    removed.append(upload.announced.name)
                    continue
            _write(note, idle)
            offsets[upload.id] = upload.offset
        self._offsets = offsets
        return removed


def _read(path: Path) -> float:
    with suppress(OSError, ValueError):
        return float(parse_count(path.read_text("ascii")) or 0)
    return 0.0


def _write(path: Path, seconds: float) -> None:
    """Not durable: after a power cut some hours less are known."""
    with suppress(OSError):
        path.write_text(str(int(seconds)), "ascii")
