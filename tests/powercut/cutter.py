"""Cuts the power at random instants of each phase, beside the program."""

import queue
import random
import threading
import time
from collections import Counter
from contextlib import AbstractContextManager
from typing import Self

from tests.powercut.disk import Disk
from tests.powercut.promises import Cut, Promises

PHASES = ("deploy", "download", "import", "apply", "rollback", "prune")
BETWEEN = "between"
FIRST_GUESS = 0.05
"""Seconds of a phase that has not been seen yet; then it is as long as the last time."""


class Cutter(AbstractContextManager):
    """`enter` tells which phase the program is in now. At most one cut is aimed at a time."""

    def __init__(self, disk: Disk, promises: Promises, chance: random.Random, each: int) -> None:
        self._disk, self._promises, self._chance, self._each = disk, promises, chance, each
        self._phase, self._since = BETWEEN, time.monotonic()
        self._length = dict.fromkeys(PHASES, FIRST_GUESS)
        self._aims: queue.Queue[float | None] = queue.Queue(1)
        self._thread = threading.Thread(target=self._work, name="cutter")
        self.cuts: list[Cut] = []
        self.error: Exception | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception) -> None:
        self._aims.put(None)
        self._thread.join()

    @property
    def counts(self) -> Counter[str]:
        return Counter(cut.phase for cut in self.cuts)

    @property
    def done(self) -> bool:
        return self.error is not None or all(self.counts[phase] >= self._each for phase in PHASES)

    def enter(self, phase: str) -> None:
        if phase == self._phase:
            return
        now = time.monotonic()
        self._length[self._phase] = now - self._since
        self._phase, self._since = phase, now
        if phase in PHASES and self.counts[phase] < self._each and self._aims.empty():
            self._aims.put(self._chance.uniform(0.0, self._length[phase]))

    def _work(self) -> None:
        while (delay := self._aims.get()) is not None:
            time.sleep(delay)
            try:
                self._cut()
            except Exception as error:  # noqa: BLE001  (the thread that waits for it tells)
                self.error = error
                return

    def _cut(self) -> None:
        phase = self._phase
        mark, proof = self._promises.mark()
        image = self._disk.cut(f"cut-{len(self.cuts)}.img")
        self.cuts.append(Cut(image, phase, self._promises.possible(mark), proof))
