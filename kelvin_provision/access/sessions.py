"""Sessions that a logout has ended: their tokens would be valid until they expire. Kept across restarts.

None is forgotten before its tokens have expired. Their number is bounded all the same: of the user with the most of them, every token is
ended by another generation, and then they need not be remembered. So only who floods is hit.

The file has a line for each, appended, and is written again when most of its lines are of no use any more.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.durable import open_own, private_folder, read_own, sync_folder, write_durably, writing_to

FILE = "api-ended-sessions.jsonl"
MOST = 10_000
_SPARE = 1000
"""Lines of no use that the file may have beside as many as are of use."""
_MARGIN = 86_400
"""Seconds after their end for which sessions are kept: clocks are set back."""


@dataclass(frozen=True)
class Ended:
    """`generation` is that of the user in its tokens, which end at `expires`, seconds since 1970."""

    user: str
    generation: int
    expires: int


class EndedSessions:
    """`end` writes the file; `has` reads memory. One process has it open."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / FILE
        self._lines = 0
        self._is_saved = True
        self._ended = dict(self._read())

    def _read(self) -> Iterator[tuple[str, Ended]]:
        """Without damaged lines, such as the last one after a power cut: those tokens end when they expire."""
        try:
            content = read_own(self._path)
        except OSError:
            return
        self._is_saved = content.endswith(b"\n") or not content
        for line in content.splitlines():
            self._lines += 1
            try:
                session, user, generation, expires = json.loads(line)
                yield str(session), Ended(sys.intern(user), int(generation), int(expires))
            except (ValueError, TypeError, RecursionError):
                self._is_saved = False

    def has(self, session: str) -> bool:
        return session in self._ended

    def crowding(self, now: float, generation: Callable[[str], int | None]) -> str | None:
        """The user with the most of them, if there is no room for another one. `generation` says the current one of a user, if any.

        Call it before `end`, and `forget` when all tokens of that user were ended.
        """
        if len(self._ended) < MOST:
            return None
        self._keep(lambda ended: ended.expires > now - _MARGIN and ended.generation == generation(ended.user))
        counted = Counter(ended.user for ended in self._ended.values())
        return counted.most_common(1)[0][0] if len(self._ended) >= MOST else None

    def forget(self, user: str) -> None:
        self._keep(lambda ended: ended.user != user)

    def _keep(self, is_needed: Callable[[Ended], bool]) -> None:
        self._ended = {session: ended for session, ended in self._ended.items() if is_needed(ended)}

    def end(self, session: str, ended: Ended) -> None:
        """Raises NoSpace, CannotWrite; then it has ended all the same, and `save` writes it."""
        self._ended[session] = ended
        if not self._is_saved or self._lines >= 2 * len(self._ended) + _SPARE:
            self._is_saved = False
            self.save()
            return
        self._is_saved = False
        self._append(_line(session, ended))
        self._is_saved = True

    def save(self) -> None:
        """Write what could not be written before, such as on a full disk. Raises NoSpace, CannotWrite."""
        if not self._is_saved:
            private_folder(self._path.parent)
            write_durably(self._path, [b"".join(_line(*item) for item in self._ended.items())], mode=0o600)
            self._lines = len(self._ended)
            self._is_saved = True

    def _append(self, line: bytes) -> None:
        is_new = not self._lines
        private_folder(self._path.parent)
        descriptor = open_own(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        with writing_to(self._path), os.fdopen(descriptor, "ab") as file:
            file.write(line)
            file.flush()
            os.fsync(descriptor)
        if is_new:
            sync_folder(self._path.parent)
        self._lines += 1


def _line(session: str, ended: Ended) -> bytes:
    return json.dumps([session, ended.user, ended.generation, ended.expires]).encode() + b"\n"
