"""The reconciler: observations from a watch, restored images and pins.

What runs must be observed also during a download of days, so the reconciler has its own thread and connections.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from kelvin_provision.agent.faults import Faults
from kelvin_provision.agent.reconcile import observe_running, restore_images
from kelvin_provision.context import Context
from kelvin_provision.errors import ProvisionError
from kelvin_provision.events import Note


class Reconciler:
    """The work of one thread. It calls `ctx.stop` all the time, which is its heartbeat."""

    def __init__(self, ctx: Context, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._ctx = ctx
        self._clock = clock
        self._faults = Faults()
        self._troubles: dict[str, str] = {}
        self._running: tuple[str, ...] = ()
        self._version: object = None
        self._changed_at: float | None = None
        self._observed = self._checked_images = self._checked_thoroughly = self._not_before = float("-inf")

    def run(self) -> None:
        """Run until `ctx.stop`. An error is logged once, and the next round tries again."""
        while not self._ctx.stop():
            self._contained("watch", self._watch)
            # Without permission to watch, it polls.
            self._contained("round", lambda: self._round(changed=False))
            deadline = self._clock() + self._ctx.timings.reconcile_pause
            while self._clock() < deadline and not self._ctx.stop():
                time.sleep(self._ctx.timings.poll)

    def _watch(self) -> None:
        for changed in self._changes():
            self._log("watch", "")
            self._round(changed=changed)

    def _contained(self, about: str, work: Callable[[], None]) -> None:
        try:
            work()
        except ProvisionError as error:
            self._log(about, str(error))
        except Exception as error:  # noqa: BLE001  (our bug in here must not leave the box unattended)
            text, traceback = self._faults.record("reconciling", error)
            for line in (f"reconciling: {text}", *traceback):
                self._ctx.progress(Note(line))

    def _changes(self) -> Iterator[bool]:
        """Changes of the cluster while something runs there; otherwise its client is not even imported."""
        while not self._ctx.stop():
            if self._names():
                yield from self._ctx.cluster.watch(lambda: self._ctx.stop() or not self._names())
                continue
            yield False
            time.sleep(self._ctx.timings.poll)

    def _names(self) -> tuple[str, ...]:
        """Names of running workloads; read again only when the ledger has changed."""
        version = self._ctx.ledger.version()
        if version != self._version:
            self._version = version
            self._running = self._ctx.ledger.running_names()
        return self._running

    def _round(self, *, changed: bool) -> None:
        now, timings = self._clock(), self._ctx.timings
        if changed and self._changed_at is None:
            self._changed_at = now
        settled = self._changed_at is not None and now - self._changed_at >= timings.reconcile_settle and now >= self._not_before
        names = self._names()
        looks = bool(names) and (settled or now - self._observed >= timings.reconcile_look)
        if looks:
            self._changed_at, self._observed = None, now
            observe_running(self._ctx)
            self._not_before = now + timings.reconcile_share * (self._clock() - now)
        if looks or not names:
            self._log("round", "")
        if now - self._checked_images >= timings.reconcile_images:
            self._check_images(now)

    def _check_images(self, now: float) -> None:
        thorough = now - self._checked_thoroughly >= self._ctx.timings.reconcile_images_thorough
        self._checked_images = now
        try:
            restore_images(self._ctx, thorough=thorough)
        except ProvisionError as error:
            self._log("images", str(error))
            return
        self._checked_thoroughly = now if thorough else self._checked_thoroughly
        self._log("images", "")

    def _log(self, about: str, trouble: str) -> None:
        """Log each error once, however long it lasts while other work succeeds, and the end of the last one."""
        before = set(self._troubles.values())
        self._troubles.pop(about, None)
        if trouble:
            self._troubles[about] = trouble
            if trouble not in before:
                self._ctx.progress(Note(trouble))
        elif before and not self._troubles:
            self._ctx.progress(Note("working again"))
