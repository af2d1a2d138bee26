"""Explain a state, an error code or an exit code."""

from __future__ import annotations

from typing import Annotated, Any

from kelvin_provision.cli.frame import hints
from kelvin_provision.cli.frame.declared import Argument
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import SCHEMA, Report
from kelvin_provision.queries.explaining import explanations


def _words(ctx: Any, args: list[str], incomplete: str) -> list[str]:  # noqa: ARG001  (typer finds these by name)
    return [word for word in explanations.words() if word.startswith(incomplete)]


Word = Annotated[str | None, Argument(metavar="[WORD]", help="For example pending_apply, not-ready or 75.", autocompletion=_words)]


def command(session: Session, word: Word = None) -> Report:  # noqa: ARG001  (every command gets one)
    """Explain a state, an error code or an exit code.

    Without a word: lists everything that can be explained.
    """
    from kelvin_provision.cli.render import explain as rendered
    from kelvin_provision.queries.explaining.explain import explain, words

    if word is None:
        index = words()
        document = {"schema": SCHEMA, "words": [entry.to_json() for entry in index]}
        return Report("explain", table=rendered.table(index), document=document, names=tuple(entry.word for entry in index))
    explained = explain(word)
    document = {"schema": SCHEMA} | explained.to_json(hints.example)
    return Report("explain", text=rendered.text(explained), document=document, names=(explained.word,))
