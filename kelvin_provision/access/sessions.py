"""Sessions that a logout has ended: their tokens would be valid until they expire. Kept across restarts."""

from __future__ import annotations

import json
from pathlib import Path

from kelvin_provision.files.durable import private_folder, read_own, write_durably

FILE = "api-ended-sessions.json"
_LONGEST = 10_000
"""Sessions that are remembered; the ones that expire last are."""


class EndedSessions:
    """`end` writes the file; `has` reads memory. One process has it open."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / FILE
        self._ended = self._read()
        self._is_saved = True

    def _read(self) -> dict[str, int]:
        """Empty for a missing or damaged file: then tokens end when they expire."""
        try:
            document = json.loads(read_own(self._path))
            return {str(session): int(expires) for session, expires in document.items()}
        except (OSError, ValueError, TypeError, AttributeError, RecursionError):
            return {}

    def has(self, session: str) -> bool:
        return session in self._ended

    def end(self, session: str, expires: int, *, now: float) -> None:
        """Raises NoSpace, CannotWrite."""
        self._ended[session] = expires
        alive = sorted(((end, name) for name, end in self._ended.items() if end > now - 86_400), reverse=True)
        self._ended = {name: end for end, name in alive[:_LONGEST]}
        self._is_saved = False
        self.save()

    def save(self) -> None:
        """Write what could not be written before, such as on a full disk. Raises NoSpace, CannotWrite."""
        if not self._is_saved:
            private_folder(self._path.parent)
            write_durably(self._path, [json.dumps(self._ended).encode()], mode=0o600)
            self._is_saved = True
