"""When a download is interrupted: because the agent stops, for an apply, or for other workloads that wait for their turn."""

from __future__ import annotations

import time
from typing import Protocol

from kelvin_provision.events import Advanced, Event

LOOK = 1.0
"""Seconds between two looks at the ledger during a download."""


class Turn(Protocol):
    """What a download asks the agent's turn."""

    def stop(self) -> bool:
        """Whether the agent is stopping."""
        ...

    def token(self) -> object:
        """A value that changes when there may be something else to do."""
        ...

    def has_untried(self) -> bool:
        """Whether there is something to apply."""
        ...

    def others_wait(self, name: str) -> bool:
        """Whether another workload than this one could be staged."""
        ...

    def staging_turn(self) -> float:
        """Seconds."""
        ...


class Preemption:
    """Whether a download must end: because the agent stops, for an apply that became admissible (`pressing`), or because it has had its
    turn and another workload waits for its own (`gave_way`).

    Called for every chunk; reads the ledger once per second at most, and never writes to it.
    """

    def __init__(self, turn: Turn, name: str) -> None:
        self._turn = turn
        self._name = name
        self._began = self._looked = time.monotonic()
        self._token = turn.token()
        self._receives_since: float | None = None
        self._next_offer = 0.0
        self.pressing = self.gave_way = False

    def note(self, event: Event) -> None:
        """The turn starts with the first bytes: lookups and hashing before them have limits of their own."""
        if self._receives_since is None and isinstance(event, Advanced):
            self._receives_since = time.monotonic()

    def __call__(self) -> bool:
        now, ends = time.monotonic(), self.pressing or self.gave_way
        if not ends and now - self._looked > min(LOOK, self._turn.staging_turn()):
            self._looked, before, self._token = now, self._token, self._turn.token()
            if self._token != before:
                self.pressing = self._turn.has_untried()
            if self._had_its_turn(now) and (self._token != before or now >= self._next_offer):
                self._next_offer = now + self._turn.staging_turn()
                self.gave_way = self._turn.others_wait(self._name)
        return self._turn.stop() or self.pressing or self.gave_way

    def _had_its_turn(self, now: float) -> bool:
        """As long as it took to get to the first byte, at least: a large partial download is hashed again at each turn."""
        since = self._receives_since
        return since is not None and now - since >= max(self._turn.staging_turn(), since - self._began)
