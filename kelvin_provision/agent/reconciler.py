"""Looking after what is there, beside the work: observations from one watch, images and pins put back.

A download of days must not stop anyone looking after what runs, so this has a thread and connections of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from kelvin_provision.agent import turn
from kelvin_provision.agent.faults import Faults
from kelvin_provision.errors import ProvisionError
from kelvin_provision.events import Note
from kelvin_provision.node import Node

TICK = 0.5
SETTLE = 0.5
"""Seconds from the first change to the look: one rollout is many events."""
SHARE = 20.0
"""So many times as long as a look took, at least, until the next: what restarts all the time must not keep the agent busy."""
LOOK = 60.0
"""Seconds after which the cluster is looked at although it said nothing."""
ROUND = 30.0
"""Seconds between two questions whether all images are still there with our pins."""
THOROUGH = 3600.0
"""Seconds between two rounds that look into every image, and do not only ask the runtime which ones it has."""
PAUSE = 10.0


class Reconciler:
    """One thread's work. `stop` is asked all the time, and is how others know that it lives."""

    def __init__(self, node: Node, stop: Callable[[], bool], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._node = node
        self._stop = stop
        self._clock = clock
        self._faults = Faults()
        self._trouble = ""
        self._running: tuple[str, ...] = ()
        self._version: object = None
        self._heard: float | None = None
        self._looked = self._round = self._thorough = self._not_before = float("-inf")

    def run(self) -> None:
        """Until `stop`. Trouble is said once, and the next round tries again."""
        while not self._stop():
            self._contained(self._watch)
            # Where watching is refused, looking now and then is what is left.
            self._contained(lambda: self._turn(changed=False))
            deadline = self._clock() + PAUSE
            while self._clock() < deadline and not self._stop():
                time.sleep(TICK)

    def _watch(self) -> None:
        for changed in self._news():
            self._turn(changed=changed)

    def _contained(self, work: Callable[[], None]) -> None:
        try:
            work()
        except ProvisionError as error:
            self._say(str(error))
        except Exception as error:  # noqa: BLE001  (our bug in here must not leave the box unattended)
            text, lines = self._faults.add("tending", error)
            for line in (f"looking after the box: {text}", *lines):
                self._node.progress(Note(line))

    def _news(self) -> Iterator[bool]:
        """Of the cluster while something runs there; else it is left alone, and its client is not even loaded."""
        while not self._stop():
            if self._names():
                yield from self._node.cluster.watch(lambda: self._stop() or not self._names())
                continue
            yield False
            time.sleep(TICK)

    def _names(self) -> tuple[str, ...]:
        version = self._node.ledger.version()
        if version != self._version:
            self._version = version
            self._running = tuple(found.name for found in self._node.ledger.workloads() if found.running)
        return self._running

    def _turn(self, *, changed: bool) -> None:
        now = self._clock()
        if changed and self._heard is None:
            self._heard = now
        told = self._heard is not None and now - self._heard >= SETTLE and now >= self._not_before
        if self._names() and (told or now - self._looked >= LOOK):
            self._heard, self._looked = None, now
            turn.look(self._node)
            self._not_before = now + SHARE * (self._clock() - now)
        if now - self._round >= ROUND:
            thorough = now - self._thorough >= THOROUGH
            self._round = now
            try:
                turn.put_back(self._node, thorough=thorough)
            except ProvisionError as error:
                self._say(str(error))
                return
            self._thorough = now if thorough else self._thorough
            self._say("")

    def _say(self, trouble: str) -> None:
        """Each trouble once, however long it lasts, and its end."""
        if trouble != self._trouble:
            self._node.progress(Note(trouble or "all is well again"))
        self._trouble = trouble
