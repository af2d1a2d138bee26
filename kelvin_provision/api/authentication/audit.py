"""Logins in the history: who came from which address, and wrong passwords, summed so that guessing does not wear out the disk.

A user name is written only if there is such a user: people type passwords into the wrong field.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from kelvin_provision.quantity import format_duration
from kelvin_provision.settings.lockout import Lockout

PAUSE = 60.0
"""Seconds between two lines about the wrong passwords of one address."""
MOST_ADDRESSES = 32
"""Addresses with lines of their own at a time; all others share one."""
MOST_NAMES = 10
"""Users in one line."""
OTHERS = "other addresses"
UNKNOWN = "unknown users"

Write = Callable[[str, str, str, str], None]
"""From who, action, outcome and detail to a line of the history. Must not wait, and must not fail."""


@dataclass
class _Failures:
    count: int = 0
    users: set[str] = field(default_factory=set)


class Audit:
    """Call it in the event loop."""

    def __init__(self, write: Write, pause: float = PAUSE) -> None:
        self._write = write
        self._pause = pause
        self._failures: dict[str, _Failures] = {}

    def login(self, user: str, address: str, door: str = "api") -> None:
        """`door`: api for tokens, ui for pages."""
        self._write(f"{user}@{address} via {door}", "api login", "done", "")

    def logout(self, user: str, address: str, door: str = "api") -> None:
        self._write(f"{user}@{address} via {door}", "api logout", "done", "")

    def locked(self, user: str, address: str, rule: Lockout) -> None:
        detail = f"{user} for {format_duration(rule.seconds)} after {rule.failures} failed logins"
        self._write(f"{address} via api", "api login", "locked", detail)

    def wrong_password(self, user: str | None, address: str) -> None:
        """At once for the first one of an address, then one line for all of a minute. `user` is None where there is no such user."""
        if address not in self._failures and len(self._failures) >= MOST_ADDRESSES:
            address = OTHERS
        failures = self._failures.get(address)
        if failures is None:
            self._failures[address] = _Failures()
            self._line(address, _Failures(1, {user or UNKNOWN}))
            asyncio.get_running_loop().call_later(self._pause, self._flush, address)
            return
        failures.count += 1
        failures.users.add(user or UNKNOWN)

    def close(self) -> None:
        """Write what was counted until now. Call it when the event loop has ended."""
        for address in tuple(self._failures):
            self._flush(address)

    def _flush(self, address: str) -> None:
        failures = self._failures.pop(address, None)
        if failures and failures.count:
            self._line(address, failures)

    def _line(self, address: str, failures: _Failures) -> None:
        count = "1 wrong password" if failures.count == 1 else f"{failures.count} wrong passwords"
        names = sorted(failures.users)
        more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
        self._write(f"{address} via api", "api login", "refused", f"{count} for {', '.join(names[:MOST_NAMES])}{more}")
