"""Changes of users and tokens that are sent again: a client that got no answer in time gets the same one, and nothing is done twice."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kelvin_provision.ledger.repeats import WINDOW

_KEPT = 64


@dataclass(frozen=True)
class _Made:
    until: float
    stamp: object
    document: Any = field(repr=False)


class Once:
    """In memory: after a restart a repetition is a new request. Use it in one thread. `clock` only ever goes forward."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._made: OrderedDict[str, _Made] = OrderedDict()

    def __call__(self, key: str, stamp: Callable[[], object], change: Callable[[], Any]) -> Any:
        """The earlier answer for `key` while `stamp` is unchanged, else that of a new `change`. Any change of users changes `stamp`."""
        now = self._clock()
        while self._made and next(iter(self._made.values())).until <= now:
            self._made.popitem(last=False)
        made = self._made.get(key)
        if made and made.stamp == stamp():
            return made.document
        document = change()
        self._made.pop(key, None)
        self._made[key] = _Made(now + WINDOW, stamp(), document)
        while len(self._made) > _KEPT:
            self._made.popitem(last=False)
        return document
