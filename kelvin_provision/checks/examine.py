"""The one mechanism behind `check` and `doctor`: facts are asked once and side by side, then each check looks at those it needs.

No check ends another: one that cannot be made, or that has a bug of ours, is a line like every other.
"""

from __future__ import annotations

import queue
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from kelvin_provision.errors import Interrupted, ProvisionError, UsageRefused
from kelvin_provision.verdict import Found, Line, error, skipped

T = TypeVar("T")
TICK = 0.1


class Check(NamedTuple):
    """`look` gets the facts named in `needs`, in that order, and says what it finds. `why` is why that matters, one sentence."""

    id: str
    title: str
    why: str
    look: Callable[..., Iterable[Found]]
    needs: tuple[str, ...]


class Fact(Generic[T]):
    """Asked once, by whoever comes first; everybody gets the same answer, or the same error."""

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._value: list[T] = []
        self._error: Exception | None = None

    def __call__(self) -> T:
        """The answer; raises what asking raised."""
        with self._lock:
            if self._error is None and not self._value:
                try:
                    self._value.append(self._ask())
                except Exception as problem:  # noqa: BLE001  (kept: whoever needs the fact says so in a line)
                    self._error = problem
        if self._error is not None:
            raise self._error
        return self._value[0]


Facts = Mapping[str, Fact[Any]]


def chosen(checks: Sequence[Check], skip: Iterable[str]) -> tuple[Check, ...]:
    """The checks without those to be skipped; raises UsageRefused with the nearest id for one that is not there."""
    known = [check.id for check in checks]
    for word in skip:
        if word not in known:
            import difflib  # only a word that is wrong needs it

            near = difflib.get_close_matches(word, known, 1)
            more = f"; the nearest is {near[0]}" if near else ""
            raise UsageRefused(f"there is no check {word}{more}", hint="--list shows every check with its id")
    return tuple(check for check in checks if check.id not in set(skip))


def examine(
    checks: Sequence[Check], facts: Facts, *, skip: Iterable[str] = (), stop: Callable[[], bool] = lambda: False
) -> tuple[Line, ...]:
    """Every check's lines, in the order of the table. Raises UsageRefused for an unknown id, Interrupted once `stop` is true."""
    wanted = chosen(checks, skip)
    _ask([facts[name] for name in dict.fromkeys(name for check in wanted for name in check.needs)], stop)
    blamed: dict[tuple[type, str], str] = {}
    lines: list[Line] = []
    for check in checks:
        founds = _found(check, facts, blamed) if check in wanted else [skipped("left out by --skip")]
        lines += (Line(check.id, check.title, check.why, one.mark, one.text, one.then, one.name) for one in founds)
    return tuple(lines)


def _ask(facts: Sequence[Fact[Any]], stop: Callable[[], bool]) -> None:
    """All side by side: most of the time is waiting for others. A thread that is left behind changes nothing and keeps nobody."""
    done: queue.SimpleQueue[None] = queue.SimpleQueue()

    def ask(fact: Fact[Any]) -> None:
        try:
            fact()
        except Exception:  # noqa: BLE001, S110  (kept in the fact)
            pass
        finally:
            done.put(None)

    for fact in facts:
        threading.Thread(target=ask, args=(fact,), name="fact", daemon=True).start()
    waiting = len(facts)
    while waiting:
        try:
            done.get(timeout=TICK)
            waiting -= 1
        except queue.Empty:
            if stop():
                raise Interrupted("stopped by a signal; nothing was touched") from None


def _found(check: Check, facts: Facts, blamed: dict[tuple[type, str], str]) -> list[Found]:
    try:
        return list(check.look(*(facts[name]() for name in check.needs)))
    except Exception as problem:  # noqa: BLE001  (a check that cannot be made, or our bug: a line, and the others go on)
        known = blamed.setdefault((type(problem), str(problem)), check.id)
        return [skipped(f"not looked at: see {known}")] if known != check.id else list(_trouble(problem))


def _trouble(problem: Exception) -> Iterator[Found]:
    """An error in the form of a line. Its evidence comes after it: short lines that say more."""
    if isinstance(problem, ProvisionError):
        more = f" ({'; '.join(problem.evidence)})" if problem.evidence else ""
        yield error(f"{problem}{more}", problem.hint)
    else:
        text, place = f"{type(problem).__name__}: {problem}".rstrip(": "), traceback.extract_tb(problem.__traceback__)[-1]
        where = f"{place.filename.rpartition('/')[2]}, line {place.lineno}"
        yield error(f"this check has a bug: {text} ({where})", "report this line; the other checks are right")
