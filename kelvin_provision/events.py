"""What the core says while it works. It draws nothing: the edge does.

A task is named by what a person would call it: an image reference, a workload name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Started:
    """A task has begun. `verb` is a present participle (`downloading`, `importing`, `applying`); `total` in bytes if known."""

    task: str
    verb: str
    total: int | None = None


@dataclass(frozen=True)
class Advanced:
    """`done` of `total` bytes are there, counted from the start of the task and not from this run."""

    task: str
    done: int
    total: int | None = None


@dataclass(frozen=True)
class Finished:
    """A task has ended. `outcome` is a past participle (`downloaded`, `already present`, `imported`, `running`, `failed`)."""

    task: str
    outcome: str
    detail: str = ""


@dataclass(frozen=True)
class Note:
    """Something a person wants to know that belongs to no task: a recovery, a retry and its cause."""

    text: str


@dataclass(frozen=True)
class Doing:
    """What the process as a whole is about now (`staging motor-speed`); empty when it waits for work. For `agent status`, not for logs."""

    text: str


Event = Started | Advanced | Finished | Note | Doing
Progress = Callable[[Event], None]


def silent(event: Event) -> None:
    """The default: the core never needs a terminal."""
