"""When each token of a program was used last: to the hour, so that a program that asks every second does not wear out the disk."""

from __future__ import annotations

import json
import threading
from collections.abc import Collection, Mapping
from pathlib import Path

from kelvin_provision.files.durable import private_folder, read_own, write_durably

FILE = "api-token-uses.json"
PRECISION = 3600.0
"""Seconds between two writes for one token."""


class LastUses:
    """Seconds since 1970 by `jti`. `note` only remembers; `save` writes."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / FILE
        self._lock = threading.Lock()
        self._seen = dict(self.stored())
        self._saved = dict(self._seen)

    def stored(self) -> Mapping[str, int]:
        """As it is on disk; empty for a missing or damaged file, which only makes the list say less."""
        try:
            document = json.loads(read_own(self._path))
            return {str(identifier): int(used) for identifier, used in document.items()}
        except (OSError, ValueError, TypeError, AttributeError, RecursionError):
            return {}

    def latest(self) -> Mapping[str, int]:
        """As this process knows them."""
        with self._lock:
            return dict(self._seen)

    def note(self, identifier: str, now: float) -> bool:
        """Whether it is time to save."""
        with self._lock:
            self._seen[identifier] = int(now)
            before = self._saved.get(identifier)
            if before is not None and abs(now - before) < PRECISION:  # also of a clock that was set back
                return False
            self._saved[identifier] = int(now)
            return True

    def save(self, known: Collection[str]) -> None:
        """Those of tokens that exist. Raises NoSpace, CannotWrite."""
        with self._lock:
            self._seen = {identifier: used for identifier, used in self._seen.items() if identifier in known}
            self._saved = dict(self._seen)
            document = dict(self._seen)
        private_folder(self._path.parent)
        write_durably(self._path, [json.dumps(document).encode()], mode=0o600)
