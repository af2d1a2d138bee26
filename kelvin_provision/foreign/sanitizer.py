"""Cleans foreign text to be shown, stored or sent: leaves out quoted objects, masks secrets, shows control characters, then shortens."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from kelvin_provision.errors import ProvisionError
from kelvin_provision.events import Event, Finished, Note, Progress, Retrying
from kelvin_provision.files.notes import shortened
from kelvin_provision.foreign.fields import sanitized
from kelvin_provision.masking.dumps import without_dumps
from kelvin_provision.masking.redactor import Redactor

if TYPE_CHECKING:
    from kelvin_provision.wait_reason import WaitReason

T = TypeVar("T")
LONGEST_MESSAGE = 2000
LONGEST_LINE = 400
"""Characters of a message, and of a line of evidence. Text is shortened only after cleaning: half a secret cannot be recognized."""
_DEEPEST = 8
"""Causes of an error that are kept."""

Secrets = Callable[[], Iterable[bytes]]
"""Secrets besides those of the box; looked up only where there is a foreign text."""


class ForeignError(Exception):
    """The cleaned text of a library's error. It replaces that error among the causes of an error, for readers of a traceback."""


class Sanitizer:
    """`known` returns the secrets of this box as they are now, `subjects` the names of its workloads. Safe to use from any thread."""

    def __init__(self, known: Callable[[], frozenset[bytes]], subjects: Callable[[], frozenset[str]] = frozenset) -> None:
        self._known = known
        self._subjects = subjects
        self._lock = threading.Lock()
        self._redactor = Redactor()
        self._redactor_knows: tuple[frozenset[bytes], frozenset[str]] = (frozenset(), frozenset())

    def redactor(self, more: Secrets = tuple) -> Redactor:
        """A filter that knows the secrets of this box and these."""
        knows = self._known().union(more()), self._subjects()
        with self._lock:
            if knows != self._redactor_knows:
                self._redactor, self._redactor_knows = Redactor(*knows), knows
            return self._redactor

    def text(self, text: str, more: Secrets = tuple) -> str:
        return shortened(self.redactor(more).foreign(text), LONGEST_MESSAGE) if text else text

    def lines(self, lines: Sequence[str], more: Secrets = tuple) -> tuple[str, ...]:
        """Lines of evidence. A secret that the lines have together is found as well."""
        if not lines:
            return ()
        redactor = self.redactor(more)
        together = redactor.text("\n".join(map(without_dumps, lines))).split("\n")
        return tuple(shortened(redactor.foreign(line), LONGEST_LINE) for line in together)

    def value(self, value: T, more: Secrets = tuple) -> T:
        """A result of a verb: see `fields`. What the box knows is asked for once, however many texts there are."""
        redactor = cache(lambda: self.redactor(more))
        return sanitized(value, lambda text: shortened(redactor().foreign(text), LONGEST_MESSAGE) if text else text)

    def error(self, error: BaseException, more: Secrets = tuple) -> None:
        """Clean one of our errors, and what it was caused by, in place."""
        if isinstance(error, ProvisionError):
            error.args = (self.text(str(error), more),)
            error.evidence = self.lines(error.evidence, more)
            if error.wait_reason is not None:
                error.wait_reason = self._reason(error.wait_reason, more)
        _clean_causes(error, lambda text: self.text(text, more), _DEEPEST)

    @contextmanager
    def errors(self, more: Secrets = tuple) -> Iterator[None]:
        """Clean what leaves the block as an error. An exception that is no error of ours keeps its kind unless it has a secret."""
        try:
            yield
        except ProvisionError as error:
            self.error(error, more)
            raise
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            cleaned = self.text(text, more)
            if cleaned != shortened(text, LONGEST_MESSAGE):
                raise ForeignError(cleaned).with_traceback(error.__traceback__) from None
            self.error(error, more)
            raise

    def iterator(self, values: Iterable[T], more: Secrets = tuple) -> Iterator[T]:
        """The same values, with `errors` around the getting of each."""
        source = iter(values)
        while True:
            with self.errors(more):
                try:
                    value = next(source)
                except StopIteration:
                    return
            yield value

    def progress(self, progress: Progress, more: Secrets = tuple) -> Progress:
        """`progress`, with the texts of events cleaned."""

        def report(event: Event) -> None:
            if isinstance(event, Finished) and event.detail:
                event = replace(event, detail=self.text(event.detail, more))
            elif isinstance(event, Retrying):
                event = replace(event, why=self.text(event.why, more))
            elif isinstance(event, Note):
                event = replace(event, text=self.text(event.text, more))
            progress(event)

        return report

    def _reason(self, reason: WaitReason, more: Secrets) -> WaitReason:
        return replace(reason, detail=self.text(reason.detail, more))


def _clean_causes(error: BaseException, clean: Callable[[str], str], depth: int) -> None:
    """Errors of libraries among the causes are replaced by what they said: their attributes and words quote what was sent."""
    if error.__suppress_context__:
        error.__context__ = None
    cause, context = error.__cause__, error.__context__
    if cause is not None:
        error.__cause__ = _cleaned(cause, clean, depth)
    if context is not None:
        same = context is cause
        error.__context__ = error.__cause__ if same else _cleaned(context, clean, depth)


def _cleaned(cause: BaseException, clean: Callable[[str], str], depth: int) -> BaseException | None:
    if depth == 0:
        return None
    if isinstance(cause, ForeignError):
        return cause
    if isinstance(cause, ProvisionError):
        cause.args = (clean(str(cause)),)
        _clean_causes(cause, clean, depth - 1)
        return cause
    stand_in = ForeignError(clean(f"{type(cause).__name__}: {cause}")).with_traceback(cause.__traceback__)
    below = cause.__cause__ if cause.__suppress_context__ else cause.__cause__ or cause.__context__
    if below is not None:
        stand_in.__cause__ = _cleaned(below, clean, depth - 1)
    return stand_in
