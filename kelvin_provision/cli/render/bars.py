"""Progress on a terminal: one row per task. The only module that imports rich; only `progress` imports it, when needed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Self, TextIO

from rich.console import Console, RenderableType
from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.progress import Progress as Rows
from rich.text import Text

from kelvin_provision.cli.frame.terminal import plain, with_short_digests
from kelvin_provision.cli.render.amounts import NARROW, Meter
from kelvin_provision.events import Advanced, Event, Finished, Note, Retrying, Started
from kelvin_provision.queries.retries import next_try
from kelvin_provision.timestamps import with_local_times

_WIDE, _NARROW = 24, 10
_VERB = 12
"""Columns that a verb usually takes."""
_SHORTEST_NAME = 12
_ANSWERED = ("applying", "starting", "verifying", "undoing", "stopping", "removing", "waiting until")
"""Verbs of tasks whose outcome the answer or the error of the command says."""
_ROOM = 120
"""The width from which rows have the long bar."""


class _Shape(ProgressColumn):
    """A bar if the total is known, else a spinner."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self._bar, self._spinner = BarColumn(bar_width=width), SpinnerColumn(finished_text="")

    def render(self, task: Task) -> RenderableType:
        return self._spinner.render(task) if task.total is None or task.fields["over"] else self._bar.render(task)


class _Words(ProgressColumn):
    """Bytes, rate and time left, as much of that as fits; at the end, the outcome."""

    def __init__(self, columns: int) -> None:
        super().__init__()
        self._columns = columns

    def render(self, task: Task) -> RenderableType:
        return Text(self.words(task), no_wrap=True, overflow="ellipsis")

    def words(self, task: Task) -> str:
        meter: Meter = task.fields["meter"]
        over: str = task.fields["over"]
        return over or meter.words(time.monotonic(), columns=self._columns)


class _Name(ProgressColumn):
    """What is worked on. Where it does not fit beside the words of any row, its end is shown, which tells images apart."""

    def __init__(self, columns: int, taken: int, longest_words: Callable[[], int]) -> None:
        super().__init__()
        self._columns, self._taken, self._longest_words = columns, taken, longest_words

    def render(self, task: Task) -> RenderableType:
        name = task.description
        room = max(self._columns - self._taken - self._longest_words() - 2, _SHORTEST_NAME)
        return Text(name if len(name) <= room else f"…{name[len(name) - room + 1 :]}", no_wrap=True)


class Bars:
    """Rows on stderr during the block, with notes above them. Safe to call from any thread.

    `answered`: the answer of the command comes to the same screen, so the row of a workload ends without a word where that says it.
    """

    def __init__(self, stream: TextIO, *, colour: bool, whole: bool = False, answered: bool = False) -> None:
        self._answered = answered
        self._whole = whole
        console = Console(file=stream, no_color=not colour, highlight=False, markup=False, emoji=False)
        columns = console.width
        words = _Words(columns)
        shape = (_Shape(_WIDE if columns >= _ROOM else _NARROW),) if columns >= NARROW else ()
        verb = (TextColumn("{task.fields[verb]}", markup=False),) if columns >= NARROW else ()
        taken = (_VERB + (_WIDE if columns >= _ROOM else _NARROW) + 2) if columns >= NARROW else 0
        name = _Name(columns, taken, self._longest_words)
        self._words = words
        self._rows = Rows(*verb, name, *shape, words, console=console, redirect_stdout=False, redirect_stderr=False)
        self._tasks: dict[str, TaskID] = {}
        self._meters: dict[str, Meter] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        with suppress(OSError):
            self._rows.start()
        return self

    def __exit__(self, *_: object) -> None:
        # A closed terminal must not fail the work.
        with suppress(OSError):
            self._rows.stop()

    def __call__(self, event: Event) -> None:
        with self._lock, suppress(OSError):
            self._take(event)

    def _take(self, event: Event) -> None:
        match event:
            case Started(name, verb, total, done):
                self._begin(name, verb, total, done)
            case Advanced(name, done, total):
                if name not in self._tasks:
                    self._begin(name, "working on", total)
                self._meters[name].reach(done, total, time.monotonic())
                self._rows.update(self._tasks[name], completed=done, total=self._meters[name].total)
            case Retrying(name, why, delay):
                if name not in self._tasks:
                    self._begin(name, "working on", None)
                self._meters[name].retry(delay, time.monotonic())
                if why:
                    self._rows.console.print(Text(self._plain(f"{name}: {why}; {next_try(round(delay))}")))
            case Finished(name, outcome, detail):
                if name not in self._tasks:
                    self._begin(name, "", None)
                self._finish(name, self._plain(f"{outcome}, {detail}" if detail else outcome))
            case Note(text):
                self._rows.console.print(Text(self._plain(text)))

    def _longest_words(self) -> int:
        """Of what is under way; an outcome may be cut."""
        return max((len(self._words.words(task)) for task in self._rows.tasks if not task.fields["over"]), default=0)

    def _plain(self, text: str) -> str:
        text = with_local_times(plain(text))
        return text if self._whole else with_short_digests(text)

    def _begin(self, name: str, verb: str, total: int | None, done: int = 0) -> None:
        """A task that starts again with another verb keeps its row."""
        meter = self._meters[name] = Meter(time.monotonic(), total, done)
        if name in self._tasks:
            self._rows.reset(self._tasks[name], total=total, verb=verb, over="", meter=meter)
            # `reset` takes None for an unchanged total.
            self._rows.tasks[self._rows.task_ids.index(self._tasks[name])].total = total
        else:
            self._tasks[name] = self._rows.add_task(self._plain(name), total=total, verb=verb, over="", meter=meter)
        self._rows.update(self._tasks[name], completed=done)

    def _finish(self, name: str, outcome: str) -> None:
        row = self._tasks[name]
        verb = self._rows.tasks[self._rows.task_ids.index(row)].fields["verb"]
        if self._answered and verb.startswith(_ANSWERED):
            self._rows.remove_task(self._tasks.pop(name))
            return
        self._rows.update(row, verb="", over=outcome, total=1, completed=1)
        self._rows.stop_task(row)
