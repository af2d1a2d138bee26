"""Progress events: bars on a terminal, lines elsewhere, nothing with --quiet. Always on stderr."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TextIO

from kelvin_provision import timestamps
from kelvin_provision.cli.frame import terminal
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.amounts import Meter
from kelvin_provision.context import silent
from kelvin_provision.events import Advanced, Event, Finished, Note, Progress, Retrying, Started
from kelvin_provision.quantity import format_bytes
from kelvin_provision.queries.retries import next_try

INTERVAL = 10.0
_HEARTBEAT = 1.0


def _time() -> str:
    """Local time with its offset: the reader of the log compares it with a clock on the wall."""
    return f"{timestamps.of_clock(timestamps.now(), 'seconds')} "


@contextmanager
def choose(session: Session, stderr: TextIO | None = None, *, log: bool = False) -> Iterator[Progress]:
    """The progress display for this stream and session, for the block; with `log`, lines have times where stderr is not a terminal.

    Never fails: on a closed terminal it stops drawing.
    """
    stream = stderr or sys.stderr
    if session.quiet:
        yield silent
    elif session.document or not terminal.can_draw(stream):
        with _beating(Lines(stream, stamp=_time if log else str, whole=log or session.whole)) as lines:
            yield lines
    else:
        from kelvin_provision.cli.render.bars import Bars

        answered = terminal.can_draw(sys.stdout)
        with Bars(stream, colour=terminal.is_coloured(stream, session), whole=session.whole, answered=answered) as bars:
            yield bars
    try:
        stream.flush()
    except (OSError, ValueError):
        terminal.abandon(stream)


@dataclass
class _Task:
    verb: str
    meter: Meter
    spoke: float
    trouble: str = ""


def _amount(done: int, total: int | None) -> str:
    if not total:
        return ""
    return f", {format_bytes(done)} of {format_bytes(total)} already here" if done else f", {format_bytes(total)}"


@dataclass
class Lines:
    """For logs and pipes: a line when a task starts, every ten seconds, and when it ends. Safe to call from any thread."""

    stream: TextIO
    clock: Callable[[], float] = time.monotonic
    stamp: Callable[[], str] = str
    """The prefix of each line: the time in a log, nothing on a terminal."""
    whole: bool = True
    """Whether digests are shown in full."""
    _tasks: dict[str, _Task] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, event: Event) -> None:
        with self._lock:
            self._take(event)

    def beat(self) -> None:
        """Print the progress of tasks that were silent for ten seconds: one that waits or stalls sends no events."""
        with self._lock:
            now = self.clock()
            for name, task in self._tasks.items():
                if now - task.spoke >= INTERVAL:
                    task.spoke = now
                    self._say(f"{task.verb} {name}: {task.meter.words(now)}")

    def _take(self, event: Event) -> None:
        now = self.clock()
        match event:
            case Started(name, verb, total, done):
                self._tasks[name] = _Task(verb, Meter(now, total, done), now)
                self._say(f"{verb} {name}{_amount(done, total)}")
            case Advanced(name, done, total):
                task = self._tasks.setdefault(name, _Task("working on", Meter(now, total), now))
                task.trouble = "" if done > task.meter.done else task.trouble
                task.meter.reach(done, total, now)
                if now - task.spoke >= INTERVAL:
                    task.spoke = now
                    self._say(f"{task.verb} {name}: {task.meter.words(now)}")
            case Retrying(name, why, delay):
                task = self._tasks.setdefault(name, _Task("working on", Meter(now), now))
                task.meter.retry(delay, now)
                if why and (why != task.trouble or now - task.spoke >= INTERVAL):
                    task.trouble, task.spoke = why, now
                    self._say(f"{task.verb} {name}: {why}; {next_try(round(delay))}")
            case Finished(name, outcome, detail):
                self._tasks.pop(name, None)
                self._say(f"{name}: {outcome}{f', {detail}' if detail else ''}")
            case Note(text):
                self._say(text)

    def _say(self, text: str) -> None:
        text = timestamps.with_local_times(terminal.plain(text))
        with suppress(OSError, ValueError):
            terminal.write(self.stream, f"{self.stamp()}{text if self.whole else terminal.with_short_digests(text)}\n")


@contextmanager
def _beating(lines: Lines) -> Iterator[Lines]:
    over = threading.Event()

    def beat() -> None:
        while not over.wait(_HEARTBEAT):
            lines.beat()

    thread = threading.Thread(target=beat, name="progress", daemon=True)
    thread.start()
    try:
        yield lines
    finally:
        over.set()
        thread.join()
