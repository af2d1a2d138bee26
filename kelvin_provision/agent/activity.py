"""What the agent does now: in memory, and in a small file for `agent status`.

The file is written in place, at most once a second, and never synced: it means nothing after a crash, and flash wears out. Readers
check the agent's lock first.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from kelvin_provision import timestamps
from kelvin_provision.events import Advanced, Event, Finished, Progress, Resting, Retrying, Started, Status
from kelvin_provision.files.durable import overwrite, read_own

WRITE_INTERVAL = 1.0
RATE_WINDOW = 15.0
"""Seconds over which a transfer rate is averaged."""
IDLE = "idle"
_TRIES = 3


@dataclass
class _Task:
    verb: str
    done: int = 0
    total: int | None = None
    trouble: str = ""
    """Why the last attempt brought nothing, until the next bytes; `next_try` is RFC 3339 then."""
    next_try: str | None = None
    samples: deque[tuple[float, int]] = field(default_factory=deque)

    def advance(self, done: int, total: int | None, now: float) -> None:
        if done > self.done:
            self.trouble, self.next_try = "", None
        self.done, self.total = done, total if total is not None else self.total
        if not self.samples or now - self.samples[-1][0] >= WRITE_INTERVAL:
            self.samples.append((now, done))
        while len(self.samples) > 1 and now - self.samples[0][0] > RATE_WINDOW:
            self.samples.popleft()

    def rate(self, now: float) -> int:
        """Bytes per second; falls while nothing arrives."""
        if self.trouble:
            return 0
        since, before = self.samples[0] if self.samples else (now, self.done)
        return int(max(self.done - before, 0) / (now - since)) if now > since else 0


class Activity:
    """Passes every event on to `progress`. Call `publish` now and then: the last event may not have been written."""

    def __init__(self, path: Path, progress: Progress, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._progress = progress
        self._clock = clock
        self._lock = threading.Lock()
        self._doing = ""
        self._since = timestamps.rfc3339_now()
        self._tasks: dict[str, _Task] = {}
        self._next_turn: str | None = None
        self._changed, self._written = True, float("-inf")

    def __call__(self, event: Event) -> None:
        with self._lock:
            self._take(event)
        self.publish()
        self._progress(event)

    def _take(self, event: Event) -> None:
        now = self._clock()
        match event:
            case Started(task, verb, total, done):
                self._tasks[task] = _Task(verb, done, total)
            case Retrying(task, why, delay):
                known = self._tasks.setdefault(task, _Task("working on"))
                known.trouble, known.next_try = why, _in(delay)
                known.samples.clear()
                self._written = float("-inf")
            case Resting(seconds):
                self._next_turn = _in(seconds)
            case Advanced(task, done, total):
                self._tasks.setdefault(task, _Task("working on")).advance(done, total, now)
            case Finished(task):
                self._tasks.pop(task, None)
            case Status(text) if text != self._doing:
                self._doing, self._since, self._tasks = text, timestamps.rfc3339_now(), {}
            case _:
                return
        self._changed = True

    def status(self) -> str:
        with self._lock:
            return self._doing or IDLE

    def publish(self) -> None:
        """Write the file if something changed and a second has passed. A full disk does not stop the agent."""
        with self._lock:
            now = self._clock()
            if not self._changed or now - self._written < WRITE_INTERVAL:
                return
            self._changed, self._written = False, now
            document = self._document(now)
        with suppress(OSError):
            overwrite(self._path, json.dumps(document).encode() + b"\n")

    def _document(self, now: float) -> dict[str, Any]:
        tasks = [
            {
                "name": name,
                "verb": task.verb,
                "done": task.done,
                "total": task.total,
                "rate": task.rate(now),
                "trouble": task.trouble or None,
                "next_try": task.next_try,
            }
            for name, task in self._tasks.items()
        ]
        return {
            "pid": os.getpid(),
            "doing": self._doing or IDLE,
            "since": self._since,
            "updated": timestamps.rfc3339_now(),
            "next_turn": None if self._doing else self._next_turn,
            "tasks": tasks,
        }

    def close(self) -> None:
        """Remove the file."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


def doing(verb: str, workloads: Iterable[str]) -> str:
    """What an agent says that it does while it works on these workloads."""
    return f"{verb} {', '.join(workloads)}"


def _in(seconds: float) -> str:
    return timestamps.rfc3339(timestamps.now() + timedelta(seconds=seconds), "microseconds")


def read(path: Path, pid: object) -> dict[str, Any] | None:
    """What the agent with this pid does; None when it wrote nothing, or the file is another agent's."""
    for _ in range(_TRIES):
        try:
            document = json.loads(read_own(path).partition(b"\n")[0])
        except OSError:
            return None
        except ValueError:  # read while it was being written
            time.sleep(0.01)
            continue
        return document if isinstance(document, dict) and document.get("pid") == pid else None
    return None
