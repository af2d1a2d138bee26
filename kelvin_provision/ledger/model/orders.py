"""Orders: what the agent is to do, which revisions it means, and when it is void."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.status import Verb

_LETTERS = "FHKLMRWXYZ"
"""Of the code of an order: none looks like a digit, and no three of them are a word."""
Slots = Mapping[str, tuple[int | None, int | None]]
"""The numbers of the running and the staged revision by workload."""


@dataclass(frozen=True)
class Target:
    """A workload of an order, and the revision that the order means.

    Of an apply, a rehearsal, or an undeploy of what is staged: the staged one. Of a rollback to the version before: the one that it goes
    back from.
    Of any other order: the newest that had been accepted; what is staged or comes up later is not meant. None: whatever is there.
    """

    workload: str
    revision: int | None = None


def replaced(targets: Iterable[Target], numbers: Mapping[str, int | None]) -> tuple[str, ...]:
    """The workloads of which the revision by these numbers is another one than the target says."""
    return tuple(target.workload for target in targets if numbers.get(target.workload) != target.revision)


class Outcome(StrEnum):
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    MISSED = "missed"


@dataclass(frozen=True)
class Order:
    """A change that the agent is to carry out, at a time or as soon as possible (`at` is None). All times are RFC 3339 in UTC.

    While the order is pending, `note` says what it waits for; afterwards, why it ended as it did.
    """

    id: int
    key: str
    actor: str
    verb: Verb
    targets: tuple[Target, ...]
    arguments: Mapping[str, object]
    at: str | None
    asked: str
    begun: str | None = None
    ended: str | None = None
    operation: int | None = None
    outcome: Outcome | None = None
    note: str = ""
    evidence: tuple[str, ...] = ()

    @property
    def code(self) -> str:
        """Short, to be noted and read out over a telephone: its number, and letters that are others in the ledger of another box."""
        from kelvin_provision.files.hashing import sha256_hex  # a list shows no codes

        value = int(sha256_hex(f"{self.id} {self.key}".encode())[:8], 16)
        return f"{self.id}-{''.join(_LETTERS[value // 10**place % 10] for place in range(3))}"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(target.workload for target in self.targets)

    @property
    def forced(self) -> bool:
        return self.arguments.get("force") is True

    @property
    def everything(self) -> bool:
        """Whether it was ordered for all that was staged, so that it leaves out what has failed since."""
        return self.arguments.get("all") is True

    @property
    def pending(self) -> bool:
        return self.begun is None and self.ended is None

    @property
    def subject(self) -> str:
        """Its name in messages: `apply of pump, fan at 2026-11-24T02:00:00Z`."""
        return f"{self.verb} of {', '.join(self.names)}{f' at {self.at}' if self.at else ''}"

    @property
    def action(self) -> str:
        """Its action in the history."""
        return f"{self.verb} --at" if self.at else f"{self.verb} order"

    @property
    def of_staged(self) -> bool:
        """Whether it means staged revisions, and nothing else."""
        return self.verb in {Verb.APPLY, Verb.REHEARSE} or self.arguments.get("staged") is True

    def moved(self, slots: Slots) -> tuple[str, ...]:
        """Its workloads that it does not mean as they are now: another revision is staged, or one came up that was accepted later."""
        return tuple(target.workload for target in self.targets if self._moved(target, *slots.get(target.workload, (None, None))))

    def _moved(self, target: Target, running: int | None, staged: int | None) -> bool:
        if self.verb is Verb.APPLY:
            return staged != target.revision
        if target.revision is None:
            return False
        return staged != target.revision if self.of_staged else running is not None and running > target.revision

    def stands(self, slots: Slots) -> bool:
        """Whether it is still valid.

        An order is void as soon as one of its workloads has moved; only an undeploy of staged versions still applies to the others.
        """
        moved = self.moved(slots)
        return not moved or (self.verb is Verb.UNDEPLOY and self.of_staged and len(moved) < len(self.targets))

    def __str__(self) -> str:
        waits = f"; waits: {self.note}" if self.note else ""
        return f"{self.verb} at {self.at}, requested by {self.actor}{waits}" if self.at else f"{self.verb} requested by {self.actor}{waits}"
