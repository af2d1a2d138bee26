"""Explain a state, an error code or an exit code."""

from __future__ import annotations

import difflib
from typing import Annotated, Any

import typer

from kelvin_provision.cli.docs import explanations
from kelvin_provision.cli.docs.explanations import EXIT_CODES, STATES, Explanation, errors, meaning
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import SCHEMA, Report, Table
from kelvin_provision.errors import ProvisionError, UsageRefused
from kelvin_provision.hints import command as to_type
from kelvin_provision.spec.enums import State


def _words(ctx: typer.Context, args: list[str], incomplete: str) -> list[str]:  # noqa: ARG001  (typer finds these by name)
    return [word for word in explanations.words() if word.startswith(incomplete)]


Word = Annotated[str | None, typer.Argument(metavar="[WORD]", help="For example pending_apply, not-ready or 75.", autocompletion=_words)]


def command(session: Session, word: Word = None) -> Report:  # noqa: ARG001  (every command gets one)
    """Explain a state, an error code or an exit code.

    Without a word: lists everything that can be explained.
    """
    return index() if word is None else explained(word)


def explained(word: str) -> Report:
    """What it means, what leads there and what to do; raises UsageRefused with the nearest word for one we do not use."""
    asked = word.strip().lower()
    for state, explanation in STATES.items():
        known = {state.value, state.message.lower()} if isinstance(state, State) else {state.value}
        if {asked, asked.replace(" ", "_").replace("-", "_")} & known:
            return _state(state.value, explanation)
    for error in errors():
        if error.code == asked.replace("_", "-"):
            return _error(error)
    if asked.isdecimal() and int(asked) in EXIT_CODES:
        return _exit_code(int(asked))
    near = difflib.get_close_matches(asked, list(explanations.words()), 1)
    raise UsageRefused(f"no state or code is called {word}", hint=to_type("explain", *near))


def index() -> Report:
    """Every word with its meaning."""
    rows = [("state", state.value, explanation.meaning) for state, explanation in STATES.items()]
    rows += [("error", error.code, meaning(error)) for error in errors()]
    rows += [("exit code", str(code), text) for code, text in EXIT_CODES.items()]
    document = {"schema": SCHEMA, "words": [{"kind": kind, "word": word, "meaning": text} for kind, word, text in rows]}
    names = tuple(word for _, word, _ in rows)
    return Report("explain", table=Table(("kind", "word", "meaning"), rows), document=document, names=names)


def _state(word: str, explanation: Explanation) -> Report:
    text = f"{word}: {explanation.meaning}\n\nafter: {explanation.after}\n then: {explanation.then}"
    document = {"kind": "state", "word": word, "meaning": explanation.meaning, "after": explanation.after, "then": explanation.then}
    return _report(text, document)


def _error(error: type[ProvisionError]) -> Report:
    told = explanations.explained(error)
    text = f"{error.code}: {told.meaning}\n\nexit code: {error.exit_code}, {EXIT_CODES[error.exit_code]}"
    text += f"\n    after: {told.after}\n     then: {told.then}"
    document = {
        "kind": "error",
        "word": error.code,
        "meaning": told.meaning,
        "after": told.after,
        "then": told.then,
        "exit_code": error.exit_code,
        "temporary": error.temporary,
    }
    return _report(text, document)


def _exit_code(code: int) -> Report:
    found = [error for error in errors() if error.exit_code == code]
    lines = [f"{error.code}: {meaning(error)}" for error in found]
    text = "\n".join((f"exit code {code}: {EXIT_CODES[code]}", *([""] if lines else []), *lines))
    document = {"kind": "exit code", "word": str(code), "meaning": EXIT_CODES[code], "errors": [error.code for error in found]}
    return _report(text, document)


def _report(text: str, document: dict[str, Any]) -> Report:
    return Report("explain", text=text, document={"schema": SCHEMA} | document, names=(document["word"],))
