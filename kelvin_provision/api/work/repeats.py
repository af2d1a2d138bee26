"""Repeated deploys: the same body of the same user within a minute is one deploy, unless its workload was changed in between.

Orders are found in the ledger (`ledger.repeats`), so that a restart forgets none. A deploy that is repeated after a restart only stages
the same version again.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from kelvin_provision.context import Context
from kelvin_provision.ledger.repeats import WINDOW, Point, is_last_change

_KEPT = 64


def digest(user: str, method: str, target: str, body: bytes) -> str:
    """Equal for the same request of the same user."""
    hashed = hashlib.sha256()
    for part in (user.encode("utf-8", "surrogatepass"), method.encode(), target.encode("utf-8", "surrogatepass"), body):
        hashed.update(len(part).to_bytes(8, "big") + part)
    return hashed.hexdigest()


@dataclass(frozen=True)
class Made:
    """What a request has deployed, and a moment before that."""

    names: tuple[str, ...]
    batch: str
    before: Point

    def stands(self, ctx: Context) -> bool:
        """Whether nothing else was done since to its workloads."""
        return is_last_change(ctx.ledger, self.batch, self.names, self.before)


class Repeats:
    """The deploys of the last minute. Hold `one_at_a_time` from looking to remembering. `clock` only ever goes forward."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.one_at_a_time = asyncio.Lock()
        self._made: OrderedDict[str, tuple[float, Made]] = OrderedDict()

    def remember(self, key: str, made: Made) -> None:
        self._made.pop(key, None)
        self._made[key] = self._clock() + WINDOW, made
        while len(self._made) > _KEPT:
            self._made.popitem(last=False)

    def find(self, key: str) -> Made | None:
        """What this request has deployed in the last minute."""
        until, made = self._made.get(key, (0.0, None))
        return made if until > self._clock() else None
