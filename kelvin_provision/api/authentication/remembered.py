"""Passwords that were verified a moment ago, and from where their users came: clients whose clock is wrong log in before every request."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from typing import TypeVar

from kelvin_provision.access import tokens
from kelvin_provision.access.users import User

SECONDS = 300.0
"""For which a verified password is not hashed again, and a user at an address is not new."""
MOST = 256
MOST_PLACES = 4096
"""Passwords and places that are remembered. What is beyond is hashed each time, and new each time."""

K = TypeVar("K")


class Remembered:
    """`clock` only ever goes forward. No password is kept: a mark, with a key that ends with the process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._key = tokens.process_key()
        self._passwords: dict[bytes, float] = {}
        self._places: dict[tuple[str, str], float] = {}

    def has(self, user: User, password: str) -> bool:
        return self._passwords.get(self._mark(user, password), 0.0) > self._clock()

    def add(self, user: User, password: str) -> None:
        self._note(self._passwords, self._mark(user, password), MOST)

    def is_new_at(self, user: User, address: str) -> bool:
        """Whether the user has not logged in from there for a while; remembers that it happens now."""
        place = (user.name, address)
        if self._places.get(place, 0.0) > self._clock():
            return False
        self._note(self._places, place, MOST_PLACES)
        return True

    def _note(self, until: dict[K, float], key: K, most: int) -> None:
        now = self._clock()
        if len(until) >= most:
            for old in [old for old, end in until.items() if end <= now]:
                del until[old]
        if key in until or len(until) < most:
            until[key] = now + SECONDS

    def _mark(self, user: User, password: str) -> bytes:
        """Of user, stored hash and password."""
        text = f"{user.name}\0{user.password}\0{password}"
        return hmac.new(self._key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()
