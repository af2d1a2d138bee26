"""The results of checks as values: `workloads check` and `doctor` return them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from kelvin_provision.hints import Hint

NO_HINT = Hint()


class CheckStatus(StrEnum):
    """A warning works now and may fail later; an error fails now; skipped could not, or was not to be, checked."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    SKIPPED = "skipped"


class CheckFinding(NamedTuple):
    """One thing that a check found. `name` is the workload that it is about, empty for the box."""

    status: CheckStatus
    text: str
    hint: Hint = NO_HINT
    name: str = ""


class CheckResult(NamedTuple):
    """A finding with its check, and why that check matters."""

    id: str
    title: str
    why: str
    status: CheckStatus
    text: str
    hint: Hint = NO_HINT
    name: str = ""


def ok(text: str) -> CheckFinding:
    return CheckFinding(CheckStatus.OK, text)


def warning(text: str, hint: Hint | str = "", name: str = "") -> CheckFinding:
    return CheckFinding(CheckStatus.WARNING, text, Hint.of(hint), name)


def error(text: str, hint: Hint | str = "", name: str = "") -> CheckFinding:
    return CheckFinding(CheckStatus.ERROR, text, Hint.of(hint), name)


def skipped(text: str) -> CheckFinding:
    return CheckFinding(CheckStatus.SKIPPED, text)


def counts(results: Iterable[CheckResult]) -> dict[str, int]:
    """The number of results of each status."""
    statuses = [result.status for result in results]
    return {status.value: statuses.count(status) for status in CheckStatus}


def failing(results: Sequence[CheckResult], *, strict: bool) -> tuple[CheckResult, ...]:
    """The results that make the exit code 1: errors and, with `strict`, warnings."""
    bad = {CheckStatus.ERROR, CheckStatus.WARNING} if strict else {CheckStatus.ERROR}
    return tuple(result for result in results if result.status in bad)
