"""What each job starts from: which box, and the lines that it writes."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kelvin_provision.connections import NoLauncher
from kelvin_provision.context import Context, opened
from kelvin_provision.events import Advanced, Event, Progress
from kelvin_provision.settings.model import Settings
from kelvin_provision.wiring import default

if TYPE_CHECKING:
    from kelvin_provision.settings.load import Loaded

Line = dict[str, Any]
Job = Callable[["Place", Mapping[str, Any]], Iterator[Line]]
_EVERY = 1.0
"""Seconds between two lines of progress."""


class Place:
    """Which box: as the command line of the agent says it."""

    def __init__(self, words: list[str]) -> None:
        given = dict(zip(words[::2], words[1::2], strict=True))
        self.state_dir = Path(given["--state-dir"])
        self.config = Path(given["--config"]) if "--config" in given else None
        self.is_root = os.geteuid() == 0

    @property
    def loaded(self) -> Loaded:
        from kelvin_provision.settings.load import load

        return load(config=self.config, state_dir=self.state_dir, environ=os.environ, is_root=self.is_root)

    @contextmanager
    def opened(self, settings: Settings | None = None) -> Iterator[Context]:
        with opened(settings or self.loaded.settings, default(NoLauncher())) as ctx:
            yield ctx


def write(line: Line) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def occasional_progress() -> Progress:
    """Writes a line at most once in `_EVERY`."""
    written_at = time.monotonic()

    def progress(event: Event) -> None:
        nonlocal written_at
        if isinstance(event, Advanced) and time.monotonic() - written_at > _EVERY:
            written_at = time.monotonic()
            write({"progress": {"done": event.done, "total": event.total}})

    return progress
