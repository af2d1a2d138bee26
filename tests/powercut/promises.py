"""What the program has acknowledged, so that it can be asked after the cut whether it is so."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType


@dataclass(frozen=True)
class Slot:
    """The versions of one workload."""

    running: str | None = None
    staged: str | None = None

    def __str__(self) -> str:
        return f"{self.running or '-'}/{self.staged or '-'}"


@dataclass(frozen=True)
class Situation:
    """What a person who typed these commands has been promised. `settings` are those of the settings file."""

    slots: Mapping[str, Slot] = field(default_factory=lambda: MappingProxyType({}))
    settings: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __str__(self) -> str:
        return ", ".join([*(f"{name} {slot}" for name, slot in sorted(self.slots.items())), *self.settings.values()]) or "nothing"

    def with_slot(self, name: str, slot: Slot | None) -> "Situation":
        rest = {key: value for key, value in self.slots.items() if key != name}
        return replace(self, slots=rest | ({name: slot} if slot else {}))


@dataclass(frozen=True)
class Proof:
    """What was seen to be so: versions that were ready, and the last line of the history."""

    ready: frozenset[tuple[str, str]] = frozenset()
    lines: int = 0
    head: str = ""


@dataclass(frozen=True)
class Deed:
    """A command and the situation that its exit code 0 promises."""

    words: tuple[str, ...]
    after: Situation


@dataclass(frozen=True)
class Cut:
    """A disk as the power cut left it, while the program was in `phase`. One of `possible` holds; the first was acknowledged."""

    image: Path
    phase: str
    possible: tuple[Deed, ...]
    proof: Proof


class Promises:
    """`begin` before a command, `acknowledge` after its exit code 0. Read by another thread at any time."""

    def __init__(self) -> None:
        self._deeds = [Deed((), Situation())]
        self._acknowledged = 0
        self.proof = Proof()

    @property
    def now(self) -> Situation:
        return self._deeds[self._acknowledged].after

    def begin(self, deed: Deed) -> None:
        self._deeds.append(deed)

    def acknowledge(self) -> None:
        self._acknowledged = len(self._deeds) - 1

    def mark(self) -> tuple[int, Proof]:
        """To be taken before a cut; `possible` after it."""
        return self._acknowledged, self.proof

    def possible(self, mark: int) -> tuple[Deed, ...]:
        return tuple(self._deeds[mark:])
