"""What a check says, as a value: `workloads check` and `doctor` answer with these. Knows neither how it is found nor how it is shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from kelvin_provision.hints import Hint

NO_HINT = Hint()


class Mark(StrEnum):
    """How it is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    SKIPPED = "skipped"


class Found(NamedTuple):
    """One thing that a check found. `then` is what to do about it, `name` the workload that it is about."""

    mark: Mark
    text: str
    then: Hint = NO_HINT
    name: str = ""


class Line(NamedTuple):
    """One line of the answer: what was found by which check, and why that matters."""

    id: str
    title: str
    why: str
    mark: Mark
    text: str
    then: Hint = NO_HINT
    name: str = ""


def ok(text: str) -> Found:
    """As it should be."""
    return Found(Mark.OK, text)


def warning(text: str, then: Hint | str = "", name: str = "") -> Found:
    """It works now, and may not later."""
    return Found(Mark.WARNING, text, Hint.of(then), name)


def error(text: str, then: Hint | str = "", name: str = "") -> Found:
    """It cannot work like this."""
    return Found(Mark.ERROR, text, Hint.of(then), name)


def skipped(text: str) -> Found:
    """It could not be looked at, or was not to be."""
    return Found(Mark.SKIPPED, text)


def counts(lines: Iterable[Line]) -> dict[str, int]:
    """How many of each."""
    marks = [line.mark for line in lines]
    return {mark.value: marks.count(mark) for mark in Mark}


def failing(lines: Sequence[Line], *, strict: bool) -> tuple[Line, ...]:
    """What makes the exit code 1: errors, with `strict` warnings too."""
    bad = {Mark.ERROR, Mark.WARNING} if strict else {Mark.ERROR}
    return tuple(line for line in lines if line.mark in bad)
