"""The agent's thread for publications: when to look, and a look that costs one request without a body.

What is new is taken in by a process of its own, which verifies and parses; nothing of what that imports stays in the agent. A look that
finds nothing writes nothing but the time of a file, by which the next agent knows that it need not look at once.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from kelvin_provision.context import Context
from kelvin_provision.errors import Locked, ProvisionError, RegistryBusy
from kelvin_provision.events import Note
from kelvin_provision.following import withdrawing
from kelvin_provision.following.overview import fingerprint, looked_path, mark_looked
from kelvin_provision.following.trouble import record_trouble
from kelvin_provision.ledger.rows import following
from kelvin_provision.ledger.rows.following import Followed
from kelvin_provision.publications.pacing import DAY, first_pause, pause
from kelvin_provision.refs import Reference

Stop = Callable[[], bool]


class Child(Protocol):
    """What is done in another process. Both raise Locked and OurBug."""

    def take_in(self, reference: str, stop: Stop) -> bool:
        """Take this publication in; whether nothing was wrong, which is recorded."""
        ...

    def report(self, stop: Stop) -> None:
        """Send the report of this box. Raises what that raises."""
        ...


@dataclass
class _Schedule:
    due: float
    failures: int = 0


class Follower:
    """The work of one thread, with connections of its own. `clock` is monotonic, `now` the time of day, `chance` from 0 to 1."""

    def __init__(
        self,
        ctx: Context,
        child: Child,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._ctx = ctx
        self._child = child
        self._clock, self._now, self._chance = clock, now, chance
        self._looked: set[str] = set()
        self._reported: tuple[str, float] | None = None
        interval, start = ctx.settings.follow.interval, clock()
        self._report = ctx.settings.follow.report
        names = (*ctx.settings.follow.publications, *([self._report] if self._report else []))
        self._schedules = {name: _Schedule(start + first_pause(interval, chance, ago=self._ago(name))) for name in names}

    def run(self, ended: threading.Event) -> None:
        while not ended.wait(max(0.0, min(schedule.due for schedule in self._schedules.values()) - self._clock())):
            self.turn(ended.is_set)

    def turn(self, stop: Stop = lambda: False) -> None:
        """Do what is due."""
        for name, schedule in self._schedules.items():
            if not stop() and schedule.due <= self._clock():
                failed, retry_after = self._contained(name, stop)
                schedule.failures = schedule.failures + 1 if failed else 0
                waits = pause(self._ctx.settings.follow.interval, self._chance, failures=schedule.failures, retry_after=retry_after)
                schedule.due = self._clock() + waits

    def _contained(self, name: str, stop: Stop) -> tuple[bool, float]:
        """Whether it failed, and for how long the registry asked to be left alone. No error ends the thread."""
        try:
            return not (self._send(name, stop) if name == self._report else self._look(name, stop)), 0.0
        except ProvisionError as error:
            self._note(name, error)
            return True, error.retry_after if isinstance(error, RegistryBusy) else 0.0
        except Exception as error:  # noqa: BLE001  (our bug: everything else of the agent goes on)
            self._ctx.progress(Note(f"following {name}: a bug of this program: {self._ctx.sanitizer.text(repr(error))}"))
            return True, 0.0
        finally:
            self._ctx.source.close()  # so many boxes must not keep connections open

    def _note(self, name: str, error: ProvisionError) -> None:
        """That another process is at it now is no trouble with what is followed."""
        if isinstance(error, Locked):
            return
        try:
            record_trouble(self._ctx, name, error)
        except ProvisionError as worse:  # such as a full disk
            self._ctx.progress(Note(f"following {name}: {worse}"))

    def _send(self, repository: str, stop: Stop) -> bool:
        """Report what has changed since the last report, and once a day that this box is there."""
        now, before = fingerprint(self._ctx), self._reported
        if before is None or before[0] != now or self._clock() - before[1] >= DAY:
            self._child.report(stop)
            self._reported = (now, self._clock())
        record_trouble(self._ctx, repository, None)
        return True

    def _look(self, reference: str, stop: Stop) -> bool:
        """Whether nothing is wrong. The first look of an agent takes in what is there: its settings may be others than before."""
        known = self._known(reference)
        digest = self._ctx.source.digest(Reference.parse(reference), known.digest)
        mark_looked(self._ctx.settings.state_dir, reference)
        if digest == known.digest and reference in self._looked and not self._has_to_prune(reference):
            record_trouble(self._ctx, reference, None)
            return True
        is_well = self._child.take_in(reference, stop)
        if is_well:
            self._looked.add(reference)
        return is_well

    def _known(self, reference: str) -> Followed:
        with self._ctx.ledger.reading() as db:
            return following.publications(db).get(reference, Followed(reference))

    def _has_to_prune(self, reference: str) -> bool:
        """Whether a withdrawn workload is still here, such as one that was held."""
        return self._ctx.settings.follow.prune and any(each.reference == reference for each in withdrawing.proposed(self._ctx))

    def _ago(self, reference: str) -> float | None:
        """Seconds since the last look; None before the first."""
        with suppress(OSError):
            return self._now() - looked_path(self._ctx.settings.state_dir, reference).stat().st_mtime
        return None
