"""Logs of workloads: `workloads logs`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kelvin_provision.errors import Interrupted, LogMissing
from kelvin_provision.hints import command
from kelvin_provision.observation import Observed

if TYPE_CHECKING:
    from kelvin_provision.cluster.logs.lines import LogLine
    from kelvin_provision.context import Context

MOST_LINES = 10_000
MOST_BYTES = 8 * 1024 * 1024
"""Limits of the document, which is built in memory."""


@dataclass(frozen=True)
class LogsRequest:
    """`tail` is a number of lines for each container, None for all; `since` is RFC 3339."""

    name: str
    tail: int | None = None
    since: str | None = None
    previous: bool = False
    follow: bool = False


@dataclass(frozen=True)
class LogsResult:
    """Lines by pod and time. `cut`: older lines did not fit."""

    lines: tuple[LogLine, ...]
    cut: bool = False

    @property
    def warnings(self) -> tuple[str, ...]:
        return (f"only the newest {MOST_BYTES // 1024 // 1024} MiB are shown",) if self.cut else ()

    def to_json(self) -> dict[str, Any]:
        """The platform's document."""
        pods: dict[str, list[str]] = {}
        for line in self.lines:
            pods.setdefault(line.source, []).append(f"{line.time} {line.text}")
        return {"logs": pods}


def logs(ctx: Context, request: LogsRequest) -> LogsResult:
    """All lines at once, without `follow`; the newest if there are too many. Raises as `stream`, and Interrupted."""
    tail = MOST_LINES if request.tail is None else request.tail
    lines, cut = newest(_lines(ctx, request, tail))
    if ctx.stop():
        raise Interrupted("stopped by a signal")
    return LogsResult(tuple(lines), cut)


def stream(ctx: Context, request: LogsRequest) -> Iterator[LogLine]:
    """Line by line until `ctx.stop`, keeping none.

    Raises WorkloadUnknown, errors of the cluster, and at the end LogMissing when there was no line for a reason other than silence of a
    running workload.
    """
    return _lines(ctx, request, request.tail)


def _lines(ctx: Context, request: LogsRequest, tail: int | None) -> Iterator[LogLine]:
    name = request.name
    ctx.ledger.workload(name)
    count = 0
    for line in ctx.cluster.logs(name, tail=tail, since=request.since, previous=request.previous, follow=request.follow, stop=ctx.stop):
        count += 1
        yield line
        if ctx.stop():
            return
    if not count and request.since is None and tail != 0 and not ctx.stop() and (request.previous or not _is_running(ctx, name)):
        which = " of an earlier run" if request.previous else ""
        raise LogMissing(f"{name} has no log{which}", hint=command("workloads show", "--live", names=(name,)))


def _is_running(ctx: Context, name: str) -> bool:
    observation = ctx.cluster.observe().get(name)
    return observation is not None and observation.observed is Observed.RUNNING


def line_to_json(line: LogLine) -> dict[str, Any]:
    """A line as an object of the stream."""
    return {"pod": line.source, "container": line.container, "time": line.time, "line": line.text}


def newest(lines: Iterable[LogLine], most: int = MOST_BYTES) -> tuple[list[LogLine], bool]:
    """The last lines that fit, ordered by time within each pod, and whether others did not fit. Pure."""
    kept: deque[LogLine] = deque()
    size, cut = 0, False
    for line in lines:
        kept.append(line)
        size += len(line.text) + len(line.time)
        while size > most:
            dropped = kept.popleft()
            size -= len(dropped.text) + len(dropped.time)
            cut = True
    return sorted(kept, key=lambda line: (line.source, line.time)), cut
