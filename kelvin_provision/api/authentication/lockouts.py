"""Lock-out of users, for sites whose rules want it (`api.lockout`): by default there is none, so that no attacker keeps a user out.

So many failures of a user in a row, from whatever addresses, and no password of the user is tried for some time. It ends by itself, when
a person unlocks the user at the box, or with the process. Names that no user has are locked as well: the answer does not say which
users there are.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from kelvin_provision.access.users import User
from kelvin_provision.settings.lockout import Lockout

_MOST_STRANGERS = 1024
_LONGEST_NAME = 64


@dataclass(slots=True)
class _Failures:
    """`unlocked` is the user's field of that name as it was at the first failure."""

    unlocked: str
    count: int = 0
    last: float = 0.0
    until: float = 0.0


class Lockouts:
    """`clock` only ever goes forward. Users are as many as there are in their file; of other names the newest are remembered."""

    def __init__(self, rule: Lockout | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._rule = rule
        self._clock = clock
        self._users: dict[str, _Failures] = {}
        self._strangers: OrderedDict[str, _Failures] = OrderedDict()

    def wait(self, name: str, user: User | None) -> float:
        """Seconds for which this name is locked."""
        failures = self._found(name, user)
        return max(0.0, failures.until - self._clock()) if failures else 0.0

    def failed(self, name: str, user: User | None) -> bool:
        """Whether the name is locked by this failure."""
        if self._rule is None:
            return False
        failures, now = self._found(name, user) or self._new(name, user), self._clock()
        if now - failures.last > self._rule.seconds:
            failures.count = 0
        failures.count, failures.last = failures.count + 1, now
        if failures.count < self._rule.failures:
            return False
        failures.count, failures.until = 0, now + self._rule.seconds
        return True

    def succeeded(self, name: str) -> None:
        self._users.pop(name, None)

    def _found(self, name: str, user: User | None) -> _Failures | None:
        """Nothing of what was before a person unlocked the user."""
        if user is None:
            return self._strangers.get(name[:_LONGEST_NAME])
        failures = self._users.get(name)
        return failures if failures and failures.unlocked == user.unlocked else None

    def _new(self, name: str, user: User | None) -> _Failures:
        failures = _Failures(user.unlocked if user else "")
        if user:
            self._users[name] = failures
            return failures
        self._strangers[name[:_LONGEST_NAME]] = failures
        while len(self._strangers) > _MOST_STRANGERS:
            self._strangers.popitem(last=False)
        return failures
