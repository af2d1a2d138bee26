"""What a state, an error code or an exit code means: `explain`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kelvin_provision.errors import UsageRefused
from kelvin_provision.hints import command
from kelvin_provision.queries.explaining import explanations
from kelvin_provision.queries.explaining.explanations import EXIT_CODES, STATES, Explanation, errors, meaning
from kelvin_provision.spec.enums import State

if TYPE_CHECKING:
    from kelvin_provision.errors import ProvisionError
    from kelvin_provision.hints import Hint

_SHOWN = {"not running": State.STAGED.value, "refused": "version-refused"}
"""Words of a list that are neither states nor codes."""
DescribeHint = Callable[["Hint | str"], str]
"""Renders a hint for the front end."""


@dataclass(frozen=True)
class Word:
    """`kind` is state, error or exit code."""

    kind: str
    word: str
    meaning: str

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "word": self.word, "meaning": self.meaning}


@dataclass(frozen=True)
class ExplainedState(Word):
    explanation: Explanation

    def to_json(self, describe_hint: DescribeHint = str) -> dict[str, Any]:
        return super().to_json() | {"after": self.explanation.after, "then": describe_hint(self.explanation.then)}


@dataclass(frozen=True)
class ExplainedError(Word):
    explanation: Explanation
    exit_code: int
    temporary: bool

    def to_json(self, describe_hint: DescribeHint = str) -> dict[str, Any]:
        document = super().to_json() | {"after": self.explanation.after, "then": describe_hint(self.explanation.then)}
        return document | {"exit_code": self.exit_code, "temporary": self.temporary}


@dataclass(frozen=True)
class ExplainedExitCode(Word):
    errors: tuple[Word, ...]

    def to_json(self, describe_hint: DescribeHint = str) -> dict[str, Any]:  # noqa: ARG002  (as the others)
        return super().to_json() | {"errors": [error.word for error in self.errors]}


Explained = ExplainedState | ExplainedError | ExplainedExitCode


def words() -> tuple[Word, ...]:
    """Everything that can be explained."""
    return tuple(_words())


def _words() -> Iterator[Word]:
    yield from (Word("state", state.value, explanation.meaning) for state, explanation in STATES.items())
    yield from (Word("error", error.code, meaning(error)) for error in errors())
    yield from (Word("exit code", str(code), text) for code, text in EXIT_CODES.items())


def explain(word: str) -> Explained:
    """Raises UsageRefused for an unknown word, with the nearest one as its hint."""
    key = word.strip().lower()
    key = _SHOWN.get(key, key)
    for state, explanation in STATES.items():
        names = {state.value, state.message.lower()} if isinstance(state, State) else {state.value}
        if {key, key.replace(" ", "_").replace("-", "_")} & names:
            return ExplainedState("state", state.value, explanation.meaning, explanation)
    for error in errors():
        if error.code == key.replace("_", "-").replace(" ", "-"):
            return _error(error)
    if key.isdecimal() and int(key) in EXIT_CODES:
        code = int(key)
        family = tuple(Word("error", error.code, meaning(error)) for error in errors() if error.exit_code == code)
        return ExplainedExitCode("exit code", str(code), EXIT_CODES[code], family)
    import difflib  # only for a mistake

    near = difflib.get_close_matches(key, list(explanations.words()), 1)
    raise UsageRefused(f"no state or code is called {word}", hint=command("explain", *near))


def _error(error: type[ProvisionError]) -> ExplainedError:
    explanation = explanations.explained(error)
    return ExplainedError("error", error.code, explanation.meaning, explanation, error.exit_code, error.temporary)
