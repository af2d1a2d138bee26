"""Which connections are open, and which of them gives way when there are too many.

A silent connection never keeps a real request out: the oldest one that waits for a request is closed for a new one. A connection is
refused only where every other one is being answered.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from kelvin_provision.serving.clients import client_of, share


class Connection(Protocol):
    """One connection, as the table needs it. `address` is empty where it is unknown."""

    @property
    def address(self) -> str: ...

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way."""
        ...

    @property
    def is_receiving(self) -> bool:
        """Whether a request has arrived only in part."""
        ...

    def drop(self) -> None: ...


@dataclass
class Connections:
    """At most `most` connections, and of one client on another machine its share of them."""

    most: int

    def __post_init__(self) -> None:
        self._open: dict[Connection, None] = {}

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Connection]:
        return iter(self._open)

    def admit(self, connection: Connection) -> bool:
        """Add it, closing another one if that is needed; False if there is no room."""
        client = client_of(connection.address)
        same = [other for other in self._open if client_of(other.address) == client]
        if len(same) >= share(connection.address, self.most) and not self._make_room(same):
            return False
        if len(self._open) >= self.most and not self._make_room(list(self._open)):
            return False
        self._open[connection] = None
        return True

    def remove(self, connection: Connection) -> None:
        self._open.pop(connection, None)

    def _make_room(self, candidates: list[Connection]) -> bool:
        """The oldest that waits for a request, else the oldest that sends one."""
        for victim in (*(other for other in candidates if other.is_idle), *(other for other in candidates if other.is_receiving)):
            self.remove(victim)
            victim.drop()
            return True
        return False
