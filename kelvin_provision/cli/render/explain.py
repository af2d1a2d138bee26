"""`explain` for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kelvin_provision.cli.frame import hints
from kelvin_provision.cli.render.report import Table
from kelvin_provision.queries.explaining.explain import Explained, ExplainedError, ExplainedExitCode
from kelvin_provision.queries.explaining.explanations import EXIT_CODES

if TYPE_CHECKING:
    from kelvin_provision.queries.explaining.explain import Word


def table(words: Sequence[Word]) -> Table:
    return Table(("kind", "word", "meaning"), [(word.kind, word.word, word.meaning) for word in words], wraps=True, heading="word")


def text(explained: Explained) -> str:
    if isinstance(explained, ExplainedExitCode):
        lines = [f"{error.word}: {error.meaning}" for error in explained.errors]
        return "\n".join((f"exit code {explained.word}: {explained.meaning}", *([""] if lines else []), *lines))
    after, then = explained.explanation.after, hints.example(explained.explanation.then)
    head = f"{explained.word}: {explained.meaning}\n"
    if isinstance(explained, ExplainedError):
        code = explained.exit_code
        return f"{head}\nexit code: {code}, {EXIT_CODES[code]}\n    after: {after}\n     then: {then}"
    return f"{head}\nafter: {after}\n then: {then}"
