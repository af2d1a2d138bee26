"""Runs the checks of `check` and `doctor`: facts are collected once and concurrently, then each check gets those that it needs.

No check stops another: one that fails, also by a bug, is a result like every other.
"""

from __future__ import annotations

import queue
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from kelvin_provision.check_result import CheckFinding, CheckResult, error, skipped
from kelvin_provision.errors import Interrupted, ProvisionError, UsageRefused

T = TypeVar("T")
TICK = 0.1


class Check(NamedTuple):
    """`function` gets the facts named in `needs`, in that order, and is pure. `why` says in one sentence why the check matters."""

    id: str
    title: str
    why: str
    function: Callable[..., Iterable[CheckFinding]]
    needs: tuple[str, ...]


class Fact(Generic[T]):
    """A value that is collected once, at the first call; every caller gets the same value or the same error."""

    def __init__(self, collect: Callable[[], T]) -> None:
        self._collect = collect
        self._lock = threading.Lock()
        self._value: list[T] = []
        self._error: Exception | None = None

    def __call__(self) -> T:
        with self._lock:
            if self._error is None and not self._value:
                try:
                    self._value.append(self._collect())
                except Exception as problem:  # noqa: BLE001  (kept: it becomes a result of the checks that need it)
                    self._error = problem
        if self._error is not None:
            raise self._error
        return self._value[0]

    def forget(self) -> None:
        """When no check needs it any more. An error keeps all that was there where it was raised."""
        self._value.clear()
        self._error = None


Facts = Mapping[str, Fact[Any]]


def without(checks: Sequence[Check], skip: Iterable[str]) -> tuple[Check, ...]:
    """The checks without the skipped ones. Raises UsageRefused for an unknown id, with the most similar one."""
    ids = [check.id for check in checks]
    for check_id in skip:
        if check_id not in ids:
            import difflib  # needed only for the error

            similar = difflib.get_close_matches(check_id, ids, 1)
            suggestion = f"; did you mean {similar[0]}?" if similar else ""
            raise UsageRefused(f"unknown check {check_id}{suggestion}", hint="--list shows every check with its id")
    return tuple(check for check in checks if check.id not in set(skip))


def run_checks(
    checks: Sequence[Check], facts: Facts, *, skip: Iterable[str] = (), stop: Callable[[], bool] = lambda: False
) -> tuple[CheckResult, ...]:
    """All results in the order of the table. Raises UsageRefused for an unknown id, Interrupted once `stop` returns true."""
    selected = without(checks, skip)
    _collect([facts[name] for name in dict.fromkeys(name for check in selected for name in check.needs)], stop)
    reported: dict[tuple[type, str], str] = {}
    results: list[CheckResult] = []
    for check in checks:
        findings = _findings(check, facts, reported) if check in selected else [skipped("skipped by --skip")]
        results += (CheckResult(check.id, check.title, check.why, *finding) for finding in findings)
    for fact in facts.values():
        fact.forget()
    return tuple(results)


def _collect(facts: Sequence[Fact[Any]], stop: Callable[[], bool]) -> None:
    """Concurrently: most of the time is waiting. A thread that is abandoned changes nothing and does not keep the process alive."""
    done: queue.SimpleQueue[None] = queue.SimpleQueue()

    def collect(fact: Fact[Any]) -> None:
        try:
            fact()
        except Exception:  # noqa: BLE001, S110  (kept in the fact)
            pass
        finally:
            done.put(None)

    for fact in facts:
        threading.Thread(target=collect, args=(fact,), name="fact", daemon=True).start()
    waiting = len(facts)
    while waiting:
        try:
            done.get(timeout=TICK)
            waiting -= 1
        except queue.Empty:
            if stop():
                raise Interrupted("stopped by a signal; nothing was changed") from None


def _findings(check: Check, facts: Facts, reported: dict[tuple[type, str], str]) -> list[CheckFinding]:
    try:
        return list(check.function(*(facts[name]() for name in check.needs)))
    except Exception as problem:  # noqa: BLE001  (a check that fails, also by a bug, is a result; the others go on)
        first = reported.setdefault((type(problem), str(problem)), check.id)
        return [skipped(f"skipped: see {first}")] if first != check.id else list(_failure(problem))


def _failure(problem: Exception) -> Iterator[CheckFinding]:
    """An exception as a finding, with its evidence."""
    if isinstance(problem, ProvisionError):
        more = f" ({'; '.join(problem.evidence)})" if problem.evidence else ""
        yield error(f"{problem}{more}", problem.hint)
    elif isinstance(problem, OSError) and problem.filename:
        # A file of this box, not a bug of ours.
        yield error(f"{problem.filename}: {(problem.strerror or 'not readable').lower()}", "look at it; the other checks are not affected")
    else:
        text, place = f"{type(problem).__name__}: {problem}".rstrip(": "), traceback.extract_tb(problem.__traceback__)[-1]
        where = f"{place.filename.rpartition('/')[2]}, line {place.lineno}"
        yield error(f"this check has a bug: {text} ({where})", "report this line; the other checks are not affected")
