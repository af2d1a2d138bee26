"""The agent's thread for publications: when to look, and a look that costs one request without a body.

What is new is taken in by a process of its own, which verifies and parses; nothing of what that imports stays in the agent. A look that
finds nothing writes nothing but the time of a file, by which the next agent knows that it need not look at once.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from kelvin_provision.context import Context
from kelvin_provision.errors import ProvisionError, RegistryBusy
from kelvin_provision.events import Note
from kelvin_provision.files.durable import private_folder
from kelvin_provision.following import withdrawing
from kelvin_provision.following.overview import looked_path
from kelvin_provision.following.taking import record_trouble
from kelvin_provision.ledger.rows import following
from kelvin_provision.ledger.rows.following import Followed
from kelvin_provision.publications.pacing import first_pause, pause
from kelvin_provision.refs import Reference

TakeIn = Callable[[str, Callable[[], bool]], bool]
"""Take this publication in, in another process; whether nothing was wrong. Raises Locked, OurBug."""


@dataclass
class _Schedule:
    due: float
    failures: int = 0


class Follower:
    """The work of one thread, with connections of its own. `clock` is monotonic, `now` the time of day, `chance` from 0 to 1."""

    def __init__(
        self,
        ctx: Context,
        take_in: TakeIn,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._ctx = ctx
        self._take_in = take_in
        self._clock, self._now, self._chance = clock, now, chance
        self._looked: set[str] = set()
        interval, start = ctx.settings.follow.interval, clock()
        self._schedules = {
            reference: _Schedule(start + first_pause(interval, chance, ago=self._ago(reference)))
            for reference in ctx.settings.follow.publications
        }

    def run(self, ended: threading.Event) -> None:
        while not ended.wait(max(0.0, min(schedule.due for schedule in self._schedules.values()) - self._clock())):
            self.turn(ended.is_set)

    def turn(self, stop: Callable[[], bool] = lambda: False) -> None:
        """Look at what is due."""
        for reference, schedule in self._schedules.items():
            if not stop() and schedule.due <= self._clock():
                failed, retry_after = self._contained(reference, stop)
                schedule.failures = schedule.failures + 1 if failed else 0
                waits = pause(self._ctx.settings.follow.interval, self._chance, failures=schedule.failures, retry_after=retry_after)
                schedule.due = self._clock() + waits

    def _contained(self, reference: str, stop: Callable[[], bool]) -> tuple[bool, float]:
        """Whether it failed, and for how long the registry asked to be left alone. No error ends the thread."""
        try:
            return not self._look(reference, stop), 0.0
        except ProvisionError as error:
            self._note(reference, error)
            return True, error.retry_after if isinstance(error, RegistryBusy) else 0.0
        except Exception as error:  # noqa: BLE001  (our bug: everything else of the agent goes on)
            self._ctx.progress(Note(f"following {reference}: a bug of this program: {self._ctx.sanitizer.text(repr(error))}"))
            return True, 0.0
        finally:
            self._ctx.source.close()  # so many boxes must not keep connections open

    def _note(self, reference: str, error: ProvisionError) -> None:
        try:
            record_trouble(self._ctx, reference, error)
        except ProvisionError as worse:  # such as a full disk
            self._ctx.progress(Note(f"following {reference}: {worse}"))

    def _look(self, reference: str, stop: Callable[[], bool]) -> bool:
        """Whether nothing is wrong. The first look of an agent takes in what is there: its settings may be others than before."""
        known = self._known(reference)
        digest = self._ctx.source.digest(Reference.parse(reference), known.digest)
        self._touch(reference)
        if digest == known.digest and reference in self._looked and not self._has_to_prune(reference):
            record_trouble(self._ctx, reference, None)
            return True
        is_well = self._take_in(reference, stop)
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

    def _touch(self, reference: str) -> None:
        """Never synced: after a power cut, a look more is made."""
        path = looked_path(self._ctx.settings.state_dir, reference)
        with suppress(OSError, ProvisionError):
            try:
                os.utime(path)
            except FileNotFoundError:
                private_folder(path.parent)
                path.touch(mode=0o600)
