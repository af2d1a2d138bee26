"""Events as they are sent, and the last ones of them: a client whose connection was cut goes on where it was."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from kelvin_provision.api.messages.documents import encoded
from kelvin_provision.quantity import parse_count
from kelvin_provision.queries.changes import Change

KEPT, KEPT_BYTES = 1000, 1 << 20
"""Events that are kept for who comes again."""


def framed(name: str, data: bytes, identifier: str | None = None) -> bytes:
    """One event. Empty, the identifier takes back the one before."""
    line = b"" if identifier is None else b"id: " + identifier.encode() + b"\n"
    return line + b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"


def progress(name: str, percent: int) -> bytes:
    """Without an identifier: it is no place to go on from."""
    return framed("progress", encoded({"name": name, "percent": percent}))


@dataclass(frozen=True)
class Event:
    number: int
    workload: str
    data: bytes


@dataclass
class Log:
    """The token tells its identifiers from those of another process, or of an earlier time."""

    token: str = field(default_factory=lambda: secrets.token_hex(4))
    last: int = 0
    _events: deque[Event] = field(default_factory=deque)

    @property
    def identifier(self) -> str:
        """That of the last event."""
        return f"{self.token}-{self.last}"

    def add(self, changes: Iterable[Change]) -> None:
        for change in changes:
            self.last += 1
            self._events.append(Event(self.last, change.name, framed("workload", encoded(change.to_json()), self.identifier)))
        size = sum(len(event.data) for event in self._events)
        while self._events and (len(self._events) > KEPT or size > KEPT_BYTES):
            size -= len(self._events.popleft().data)

    def after(self, number: int) -> Iterator[Event]:
        return (event for event in self._events if event.number > number)

    def reaches(self, number: int) -> bool:
        """Whether everything after this number is still there."""
        return self.last - len(self._events) <= number <= self.last

    def number(self, identifier: str) -> int | None:
        """Of the event that has it; None where the client needs the whole list."""
        token, _, text = identifier.partition("-")
        number = parse_count(text)
        return number if token == self.token and number is not None and self.reaches(number) else None
