"""Logs of a workload's containers. The engine keeps all runs of a container in one log; their times tell where a run ends."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from kelvin_provision import timestamps
from kelvin_provision.cluster.docker.containers import LiveContainer
from kelvin_provision.cluster.logs.follow import stream
from kelvin_provision.cluster.logs.lines import LogLine, parse
from kelvin_provision.cluster.logs.sources import LogOptions, LogSource, LogSources
from kelvin_provision.docker_engine.engine import Engine

SLACK = timedelta(milliseconds=50)
"""The engine records a start after the process began, and the last lines after its end. Between two runs there are at least 100 ms."""


def logs(engine: Engine, containers: Callable[[], list[LiveContainer]], options: LogOptions, stop: Callable[[], bool]) -> Iterator[LogLine]:
    """See protocol.Cluster.logs. A container that is kept for a rollback is left out."""

    def list_sources() -> LogSources:
        oldest_first = sorted(containers(), key=lambda container: str(container.document["Created"]))
        current = [container for container in oldest_first if container.serving or container.running] or oldest_first[-1:]
        sources = [source for container in current if (source := _source(engine, container, options))]
        return LogSources(sources, any(container.running or container.restarting for container in current))

    return stream(list_sources, options, stop)


def _source(engine: Engine, container: LiveContainer, options: LogOptions) -> LogSource | None:
    boundary = run_boundary(container)
    if not container.ever_started or (options.previous and boundary is None):
        return None

    def opened(tail: int | None, since: str | None) -> _RunLog:
        start = timestamps.normalized(since) if since else ""
        edge = timestamps.normalized(timestamps.rfc3339(boundary, "auto")) if boundary else ""
        window = _Window(start, until=edge) if options.previous else _Window(max(start, edge))
        return _RunLog(engine, container, window, tail=tail, follow=options.follow)

    return LogSource(container.id, container.state["StartedAt"], container.running and not container.restarting, opened)


def run_boundary(container: LiveContainer) -> datetime | None:
    """A time between the previous run and the present one; None for the first run."""
    finished = timestamps.parse(container.state["FinishedAt"])
    if finished.year == 1:
        return None
    if finished < container.started:
        return finished + SLACK
    return container.started - SLACK if container.restart_count else None


@dataclass(frozen=True)
class _Window:
    """Normalized times. With `until` it is earlier runs that are read."""

    since: str
    until: str = ""


class _RunLog:
    """Lines of the present run of one container, or of all earlier ones."""

    def __init__(self, engine: Engine, container: LiveContainer, window: _Window, *, tail: int | None, follow: bool) -> None:
        self._name = container.name
        self._tail = tail
        self._window = window
        self._chunks = engine.containers.open_log(
            container.id,
            tail=None if window.until else tail,  # the engine counts over all runs: lines of earlier ones are counted here
            since=int(timestamps.parse(window.since).timestamp()) if window.since else None,
            follow=follow and not window.until,
        )

    def __iter__(self) -> Iterator[LogLine]:
        lines = parse(self._name, self._name, self._chunks, since=self._window.since)
        if not self._window.until:
            return lines
        earlier = (line for line in lines if line.time < self._window.until)
        return iter(deque(earlier, maxlen=self._tail)) if self._tail is not None else earlier

    def close(self) -> None:
        self._chunks.close()
