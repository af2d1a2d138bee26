"""How many requests are being answered. A client that hangs up frees its connection, but not what it has asked for.

Without a bound, a client that connects, asks and hangs up again and again would fill the memory of the box and the queue for the ledger.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.serving.clients import client_of, share


@dataclass
class Underway:
    """At most `most` requests, and of one client on another machine its share, as for connections. Use it in the event loop."""

    most: int
    _counts: Counter[str] = field(default_factory=Counter)
    _total: int = 0

    def __len__(self) -> int:
        return self._total

    @contextmanager
    def one_more(self, address: str) -> Iterator[None]:
        """Counts it for the block. Raises Refusal."""
        client = client_of(address)
        if self._total >= self.most:
            raise _too_many(f"{self._total} requests are under way, which is the limit")
        if self._counts[client] >= share(address, self.most):
            raise _too_many(f"{self._counts[client]} requests of {client} are under way, which is the limit for one client")
        self._total += 1
        self._counts[client] += 1
        try:
            yield
        finally:
            self._total -= 1
            self._counts[client] -= 1
            if not self._counts[client]:
                del self._counts[client]


def _too_many(description: str) -> Refusal:
    return Refusal("too-many-requests", description, headers={"connection": "close"})
