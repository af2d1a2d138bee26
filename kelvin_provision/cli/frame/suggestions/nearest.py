"""Which command an unknown one means: a word of another tool, a command of another group, or a misspelt one.

A reading word is never answered with a command that changes something: people paste hints.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterator, Mapping, Sequence

from kelvin_provision.cli.frame.command_table import PROGRAM, SHARED_OPTIONS, Command, Entries, Group, commands, takes_value
from kelvin_provision.cli.frame.suggestions.words import CHANGING, READING, RESTART, WORDS, Meaning
from kelvin_provision.hints import Hint, command

_CUTOFF = 0.7
_MARGIN = 0.1
"""How much more similar than a reading word a changing word must be."""


def meant(group: str, word: str, rest: Sequence[str], entries: Entries) -> Hint:
    """The hint for an unknown command of this group: the group's help if nothing is similar."""
    word = word.lower()
    words = WORDS.get(group, {})
    if word in words:
        return _hint(words[word], rest)
    if elsewhere := _elsewhere(group, word):
        return command(elsewhere, *_own(rest))
    own = {name: _command(group, name, entry) for name, entry in entries.items()}
    near = _nearest(word, {**words, **own})
    if near is None:
        return command(f"{group} --help".strip())
    return command(own[near].action, *_own(rest)) if near in own else _hint(words[near], rest)


def _elsewhere(group: str, word: str) -> str:
    """A command of another group, of workloads first: `kelvin-provision list`, `kelvin-provision images deploy`.

    Not one of a group in a group: `images remove` does not mean the users of the API.
    """
    for words, _ in commands():
        if words[-1] == word and words[0] != group and len(words) <= 2:
            return " ".join(words)
    return ""


def _command(group: str, name: str, entry: Command | Group) -> Meaning:
    action = f"{group} {name}".strip()
    return Meaning(action, changes=isinstance(entry, Command) and action in CHANGING)


def _nearest(word: str, choices: Mapping[str, Meaning]) -> str | None:
    """The most similar word; a changing one only if no reading word is nearly as similar."""
    ranked = sorted(((difflib.SequenceMatcher(None, word, choice).ratio(), choice) for choice in choices), reverse=True)
    close = [pair for pair in ranked if pair[0] >= _CUTOFF]
    if not close:
        return None
    enough = close[0][0] - _MARGIN
    reading = [pair for pair in close if not choices[pair[1]].changes and pair[0] >= enough]
    if not reading and any(difflib.SequenceMatcher(None, word, other).ratio() >= enough for other in _reading_words()):
        return None
    return (reading or close)[0][1]


def _reading_words() -> Iterator[str]:
    """All words that only read, in all groups."""
    yield from READING
    yield from (word for words in WORDS.values() for word, meaning in words.items() if not meaning.changes)
    yield from (words[-1] for words, _ in commands() if " ".join(words) not in CHANGING)


def _hint(meaning: Meaning, rest: Sequence[str]) -> Hint:
    values = _values(rest)
    if meaning.action == "workloads deploy":
        values = [value for value in values if value.endswith((".yaml", ".yml", ".json"))]
    if values and meaning.named:
        return command(meaning.named, *values)
    at = next((at for at, word in enumerate(meaning.arguments) if word.startswith("-")), len(meaning.arguments))
    places, flags = meaning.arguments[:at], meaning.arguments[at:]
    words = (*(values if places else ()), *places[len(values) :], *flags)
    note = f"then {PROGRAM} workloads start {shlex.join(words)}" if meaning is RESTART else ""
    return command(meaning.action, *words, note=note)


def _values(rest: Sequence[str]) -> list[str]:
    """The arguments on the line and the values of `-n` and `-f`."""
    values: list[str] = []
    words = iter(_own(rest))
    for word in words:
        if word in {"-n", "--name", "-f", "--file"}:
            values += [value for value in [next(words, "")] if value]
        elif not word.startswith("-"):
            values.append(word)
    return values


def _own(rest: Sequence[str]) -> list[str]:
    """The words without the shared options."""
    shared = {name for option in SHARED_OPTIONS.values() for name in option.names}
    kept: list[str] = []
    words = iter(rest)
    for word in words:
        if word.partition("=")[0] not in shared:
            kept.append(word)
        elif takes_value(word):
            next(words, "")
    return kept
