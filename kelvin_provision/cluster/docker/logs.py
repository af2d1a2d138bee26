"""Logs of a workload's containers. The engine keeps all runs of a container in one log: where one ends is told by its times."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from kelvin_provision import timestamps
from kelvin_provision.cluster.docker.engine import Engine
from kelvin_provision.cluster.docker.live import Live
from kelvin_provision.cluster.logs.follow import stream
from kelvin_provision.cluster.logs.lines import LogLine, parse
from kelvin_provision.cluster.logs.sources import LogOptions, LogSource, LogSources

SLACK = timedelta(milliseconds=50)
"""The engine notes a start after the process has begun, and the last lines after its end; between two runs are 100 ms at least."""


def logs(engine: Engine, live: Callable[[], list[Live]], options: LogOptions, stop: Callable[[], bool]) -> Iterator[LogLine]:
    """See protocol.Cluster.logs. What rests for a roll-back is left out: it is not the workload's any more."""

    def list_sources() -> LogSources:
        everything = sorted(live(), key=lambda one: str(one.inspect["Created"]))
        here = [one for one in everything if one.serving or one.running] or everything[-1:]
        sources = [source for one in here if (source := _of(engine, one, options))]
        return LogSources(sources, any(one.running or one.state.get("Restarting") for one in here))

    return stream(list_sources, options, stop)


def _of(engine: Engine, one: Live, options: LogOptions) -> LogSource | None:
    border = _border(one)
    if one.started.year == 1 or (options.previous and border is None):
        return None

    def opened(tail: int | None, since: str | None) -> _Stream:
        return _Stream(engine, one, options, tail=tail, since=since, border=border)

    return LogSource(one.id, one.state["StartedAt"], one.running and not one.state.get("Restarting"), opened)


def _border(one: Live) -> datetime | None:
    """Between the run before and this one; None when this is the first. Pure."""
    finished = timestamps.parse(one.state["FinishedAt"])
    if finished.year == 1:
        return None
    if finished < one.started:
        return finished + SLACK
    return one.started - SLACK if one.inspect.get("RestartCount") else None


class _Stream:
    """Lines of one run of one container, or of all before it."""

    def __init__(
        self, engine: Engine, one: Live, options: LogOptions, *, tail: int | None, since: str | None, border: datetime | None
    ) -> None:
        self._name = one.name
        self._tail = tail
        self._previous = options.previous
        edge = timestamps.normalized(timestamps.rfc3339(border, "auto")) if border else ""
        self._since = max(timestamps.normalized(since) if since else "", "" if options.previous else edge)
        self._until = edge
        # The engine counts its tail over all runs: of an earlier run we have to count ourselves.
        self._answer = engine.log(
            one.id, tail=None if options.previous else tail, since=_seconds(self._since), follow=options.follow and not options.previous
        )

    def __iter__(self) -> Iterator[LogLine]:
        found = parse(self._name, self._name, self._answer, since=self._since)
        if not self._previous:
            return found
        before = (line for line in found if line.time < self._until)
        return iter(deque(before, maxlen=self._tail)) if self._tail is not None else before

    def close(self) -> None:
        """See LogStream."""
        self._answer.close()


def _seconds(moment: str) -> int | None:
    return int(timestamps.parse(moment).timestamp()) if moment else None
