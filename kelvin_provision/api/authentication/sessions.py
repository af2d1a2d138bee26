"""Sessions of people at a page: in memory, so that they end with the process, and found by the hash of a random cookie.

They count below `/ui/` only; the API itself ignores cookies, as its older routes change things by GET.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from kelvin_provision.access.users import User, Users
from kelvin_provision.api.authentication.audit import Audit
from kelvin_provision.api.authentication.authenticator import Principal

MOST = 256
DOOR = "ui"
_BYTES = 32


@dataclass(slots=True)
class _Session:
    user: str
    generation: int
    began: float
    seen: float


class Sessions:
    """`longest` and `idle` are the seconds until a session ends, and until it ends when nothing is asked.

    `clock` only ever goes forward. Call it in the event loop.
    """

    def __init__(self, users: Users, audit: Audit, longest: float, idle: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.longest = longest
        self._idle = idle
        self._users = users
        self._audit = audit
        self._clock = clock
        self._sessions: OrderedDict[bytes, _Session] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    def begin(self, user: User) -> str:
        """The text of the cookie. Of too many sessions the one that was used longest ago ends."""
        text, now = secrets.token_urlsafe(_BYTES), self._clock()
        self._drop_ended(now)
        self._sessions[_key(text)] = _Session(user.name, user.generation, now, now)
        while len(self._sessions) > MOST:
            self._sessions.popitem(last=False)
        return text

    def principal(self, text: str, address: str, *, touch: bool) -> Principal | None:
        """None if the session has ended, also by another password of the user. The level is that of now.

        `touch`: a person has asked, and not a page by itself.
        """
        key, now = _key(text), self._clock()
        session = self._sessions.get(key)
        if session is None:
            return None
        user = self._users.find(session.user)
        if self._is_over(session, now) or user is None or user.generation != session.generation:
            del self._sessions[key]
            return None
        if touch:
            session.seen = now
            self._sessions.move_to_end(key)
        return Principal(user.name, user.level, address, DOOR)

    def end(self, text: str, address: str) -> None:
        session = self._sessions.pop(_key(text), None)
        if session:
            self._audit.logout(session.user, address, DOOR)

    def _drop_ended(self, now: float) -> None:
        for key in [key for key, session in self._sessions.items() if self._is_over(session, now)]:
            del self._sessions[key]

    def _is_over(self, session: _Session, now: float) -> bool:
        return now - session.began >= self.longest or now - session.seen >= self._idle


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
