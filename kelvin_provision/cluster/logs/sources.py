"""What a cluster tells about the logs that it has: which containers, and how each log is opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from kelvin_provision.cluster.logs.lines import LogLine


@dataclass(frozen=True)
class LogOptions:
    """The arguments of protocol.Cluster.logs."""

    tail: int | None
    since: str | None
    previous: bool
    follow: bool


class LogStream(Protocol):
    """An open log. `close` may be called from another thread and ends the iteration."""

    def __iter__(self) -> Iterator[LogLine]: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class LogSource:
    """One run of one container. `container` stays the same over restarts, `run` does not.

    `running`: whether it may still write. `open` takes `tail` and `since`.
    """

    container: str
    run: str
    running: bool
    open: Callable[[int | None, str | None], LogStream]


@dataclass(frozen=True)
class LogSources:
    """All logs of a workload at one time. `more_expected`: these containers, or others that are still being created, may write more."""

    sources: Sequence[LogSource]
    more_expected: bool
