"""How often a password may be tried: delays in place of bans, so that no attacker locks a user out and no typing error the operator.

Only failures count. A pair of user and address may fail three times, then waits 1, 2, 4 .. 30 seconds after each failure. A user whose
password fails from many addresses waits likewise after 60 failures within an hour, at addresses from which no login has succeeded.
An address that fails ten times in a row, whatever users it names, waits as well; the addresses of one IPv6 network are one address.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from kelvin_provision.serving.clients import client_of

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


@dataclass(slots=True)
class _Failures:
    count: int = 0
    until: float = 0.0
    succeeded: bool = False


_NONE = _Failures()


@dataclass(slots=True)
class _User:
    """`failures` counts failed logins, and decays by `PER_HOUR` an hour: one number in place of all times."""

    failures: float = 0.0
    last: float = 0.0
    until: float = 0.0

    def fail(self, now: float) -> None:
        self.failures = max(0.0, self.failures - (now - self.last) * PER_HOUR / _HOUR) + 1
        self.last = now
        if self.failures >= PER_HOUR:
            self.until = now + LONGEST


class Throttle:
    """`clock` only ever goes forward."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pairs: OrderedDict[tuple[str, str], _Failures] = OrderedDict()
        self._users: OrderedDict[str, _User] = OrderedDict()

    def wait(self, user: str, address: str) -> float:
        """Seconds until this user may be tried from this address; 0 for now."""
        user, address = user[:_LONGEST_NAME], client_of(address)
        pair, everywhere = self._pairs.get((user, address)), self._users.get(user)
        until = max(self._pairs.get(key, _NONE).until for key in ((user, address), ("", address)))
        if everywhere and not (pair and pair.succeeded):
            until = max(until, everywhere.until)
        return max(0.0, until - self._clock())

    def failed(self, user: str, address: str) -> None:
        now, user, address = self._clock(), user[:_LONGEST_NAME], client_of(address)
        for key, free in (((user, address), FREE), (("", address), FREE_OF_ADDRESS)):
            failures = _kept(self._pairs, key, _Failures)
            failures.count += 1
            if failures.count >= free:
                failures.until = now + min(LONGEST, 2.0 ** min(failures.count - free, 10))
        _kept(self._users, user, _User).fail(now)

    def succeeded(self, user: str, address: str) -> None:
        """Clears this address only: a success elsewhere says nothing of who fails here."""
        user, address = user[:_LONGEST_NAME], client_of(address)
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
