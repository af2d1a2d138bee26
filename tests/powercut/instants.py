"""What a cut is, seen without the program: everything that was synced before it, nothing that was written after it."""

import os
import random
import threading
from pathlib import Path

from tests.powercut.disk import Disk

CUTS = 6
SYNCED = ("first", "second")
"""Files that take turns: the same number is written to one, then to the other."""


class Writer(threading.Thread):
    """`written` is the last number that is on the disk in both files."""

    def __init__(self, place: Path) -> None:
        super().__init__(name="writer")
        self._files = [os.open(place / name, os.O_CREAT | os.O_WRONLY | os.O_SYNC) for name in SYNCED]
        self._unsynced = (place / "unsynced").open("wb", buffering=0)
        self.written, self.over = 0, threading.Event()

    def run(self) -> None:
        while not self.over.is_set():
            number = self.written + 1
            self._unsynced.write(b"%08d" % number)
            for file in self._files:
                os.pwrite(file, b"%08d" % number, 0)
            self.written = number
        for file in self._files:
            os.close(file)
        self._unsynced.close()


def wrong(disk: Disk, chance: random.Random) -> list[str]:
    """Sentences about cuts that are no instants; one more if nothing that was not synced was ever lost."""
    found, lost = [], 0
    for cut, before, after in _cuts(disk, chance):
        with disk.powered_up(cut) as place:
            first, second = (int(_content(place / name) or b"0") for name in SYNCED)
            lost += len(_content(place / "unsynced")) // 8 < before
        cut.unlink()
        if not before <= second <= first <= min(second + 1, after + 1):
            found.append(f"no instant: {first} and {second} were there; {before} before the cut, {after} after it")
    return found if lost else [*found, "what was not synced was never lost"]


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _cuts(disk: Disk, chance: random.Random) -> list[tuple[Path, int, int]]:
    cuts = []
    with disk.running() as place:
        writer = Writer(place)
        writer.start()
        try:
            for number in range(CUTS):
                writer.over.wait(chance.uniform(0.0, 0.05))
                before = writer.written
                cuts.append((disk.cut(f"instant-{number}.img"), before, writer.written))
        finally:
            writer.over.set()
            writer.join()
    return cuts
