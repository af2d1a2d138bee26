"""Boxes that live, are cut and come up again, until there are so many cuts of each phase."""

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.powercut import instants
from tests.powercut.box import Box
from tests.powercut.check import losses
from tests.powercut.cutter import PHASES, Cutter
from tests.powercut.disk import CannotMount, Disk, shelf
from tests.powercut.promises import Cut, Promises
from tests.powercut.story import PACE, Story
from tests.powercut.syncing import sync_only

A_LIFE = 4
"""Cuts of each phase before there is a new box: its first moments are cut, too."""
PATIENCE = 60.0
"""Seconds of one life after which it is checked with the cuts that there are."""


@dataclass
class Outcome:
    """Cuts and losses by phase. A cut counts as lost once; `said` has all the sentences."""

    cuts: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    said: list[str] = field(default_factory=list)


def run(kind: str, each: int, seed: int, folder: Path, spoil: Callable[[], None] = lambda: None) -> Outcome:
    """`each` is the number of cuts of each phase; first it is seen whether a cut is an instant. `spoil` is for the control: called before the program begins."""
    with shelf(folder) as place:
        disk = Disk(place, kind)
        sync_only(disk.place)
        outcome = Outcome(said=instants.wrong(disk, random.Random(seed)))  # noqa: S311  (chance is enough)
        spoil()
        while (missing := each - min(outcome.cuts[phase] for phase in PHASES)) > 0:
            chance = random.Random(f"{seed} {sum(outcome.cuts.values())}")  # noqa: S311  (chance is enough)
            _one_life(disk, min(missing, A_LIFE), chance, outcome)
    return outcome


def _one_life(disk: Disk, each: int, chance: random.Random, outcome: Outcome) -> None:
    promises = Promises()
    deadline = time.monotonic() + PATIENCE
    with disk.running() as place:
        with Cutter(disk, promises, chance, each) as cutter:
            box = Box(place, cutter.enter, PACE)
            Story(box, promises, cutter, chance).tell(lambda: cutter.done or time.monotonic() > deadline)
        if cutter.error:
            raise cutter.error
    for cut in cutter.cuts:
        lost = _after(disk, cut)
        cut.image.unlink()
        outcome.cuts[cut.phase] += 1
        outcome.lost[cut.phase] += bool(lost)
        outcome.said += [f"{cut.phase}: {sentence}" for sentence in lost]


def _after(disk: Disk, cut: Cut) -> list[str]:
    try:
        with disk.powered_up(cut.image) as place:
            return losses(cut, place)
    except CannotMount as error:
        return [str(error)]
