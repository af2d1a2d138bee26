"""Whether the agent still works with the state directory that it was started with."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path


class Place:
    """The agent's lock and the ledger, as files. If they were removed or replaced, the agent changes files that no command sees."""

    def __init__(self, *paths: Path, interval: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = interval
        self._clock = clock
        self._files = {path: _file(path) for path in paths}
        self._looked = clock()
        self._gone = ""

    def gone(self) -> str:
        """Describe the file that is no longer the same; empty if all are."""
        now = self._clock()
        if not self._gone and now - self._looked >= self._interval:
            self._looked = now
            changed = [path for path, before in self._files.items() if before and _file(path) not in (before, None)]
            self._gone = f"{changed[0]} was removed or replaced" if changed else ""
        return self._gone


def _file(path: Path) -> tuple[int, int] | None:
    """Device and inode; zeros for no file, None when the disk does not answer."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return (0, 0)
    except OSError:
        return None
    return (status.st_dev, status.st_ino)
