"""How often a password may be tried: delays in place of bans, so that no attacker locks a user out and no typing error the operator.

Only failures count. A pair of user and address may fail three times, then waits 1, 2, 4 .. 30 seconds after each failure. A user whose
password fails from many addresses waits likewise after 60 failures within an hour, at addresses from which no login has succeeded.
An address that fails ten times in a row, whatever users it names, waits as well.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")

FREE = 3
FREE_OF_ADDRESS = 10
LONGEST = 30.0
PER_HOUR = 60
_HOUR = 3600.0
_KEPT = 4096
_LONGEST_NAME = 64
"""Pairs that are remembered, and characters of a name in one, which is as long as that of a user may be: memory is bounded."""


@dataclass
class _Failures:
    count: int = 0
    until: float = 0.0
    succeeded: bool = False


_NONE = _Failures()


@dataclass
class _User:
    times: deque[float] = field(default_factory=lambda: deque(maxlen=PER_HOUR))
    until: float = 0.0


class Throttle:
    """`clock` only ever goes forward."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pairs: OrderedDict[tuple[str, str], _Failures] = OrderedDict()
        self._users: OrderedDict[str, _User] = OrderedDict()

    def wait(self, user: str, address: str) -> float:
        """Seconds until this user may be tried from this address; 0 for now."""
        user = user[:_LONGEST_NAME]
        pair, everywhere = self._pairs.get((user, address)), self._users.get(user)
        until = max(self._pairs.get(key, _NONE).until for key in ((user, address), ("", address)))
        if everywhere and not (pair and pair.succeeded):
            until = max(until, everywhere.until)
        return max(0.0, until - self._clock())

    def failed(self, user: str, address: str) -> None:
        now, user = self._clock(), user[:_LONGEST_NAME]
        for key, free in (((user, address), FREE), (("", address), FREE_OF_ADDRESS)):
            failures = _kept(self._pairs, key, _Failures)
            failures.count += 1
            if failures.count >= free:
                failures.until = now + min(LONGEST, 2.0 ** min(failures.count - free, 10))
        everywhere = _kept(self._users, user, _User)
        everywhere.times.append(now)
        if len(everywhere.times) == PER_HOUR and everywhere.times[0] > now - _HOUR:
            everywhere.until = now + LONGEST

    def succeeded(self, user: str, address: str) -> None:
        """Clears this address only: a success elsewhere says nothing of who fails here."""
        user = user[:_LONGEST_NAME]
        for key in ((user, address), ("", address)):
            failures = _kept(self._pairs, key, _Failures)
            failures.count, failures.until, failures.succeeded = 0, 0.0, True


def _kept(values: OrderedDict[K, V], key: K, new: Callable[[], V]) -> V:
    value = values.get(key) or new()
    values[key] = value
    values.move_to_end(key)
    while len(values) > _KEPT:
        values.popitem(last=False)
    return value
