"""Progress events. The core emits them, the edge renders them.

A task is named after its image reference or workload.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Started:
    """`verb` is a present participle (`downloading`, `importing`, `applying`); `total` in bytes, if known; `done` are here."""

    task: str
    verb: str
    total: int | None = None
    done: int = 0


@dataclass(frozen=True)
class Advanced:
    """`done` of `total` bytes, counted from the start of the task, which may have been in an earlier process."""

    task: str
    done: int
    total: int | None = None


@dataclass(frozen=True)
class Retrying:
    """The last attempt brought nothing; the next one begins in `delay` seconds. `why` is empty where that has been said already.

    `code` is that of the error.
    """

    task: str
    why: str
    delay: float
    code: str = ""


@dataclass(frozen=True)
class Finished:
    """`outcome` is a past participle (`downloaded`, `already present`, `imported`, `running`, `failed`)."""

    task: str
    outcome: str
    detail: str = ""


@dataclass(frozen=True)
class Note:
    """A line for the log that belongs to no task: a recovery, a retry and its cause."""

    text: str


@dataclass(frozen=True)
class Status:
    """What the whole process does now (`staging motor-speed`); empty when it is idle. For `agent status`, not for logs."""

    text: str


@dataclass(frozen=True)
class Resting:
    """What could not be done now is tried again in so many seconds. For `agent status`, not for logs."""

    seconds: float


Event = Started | Advanced | Retrying | Finished | Note | Status | Resting
Progress = Callable[[Event], None]
