"""What a person chose about the talking: a value that every command gets first. Knows no terminal and no typer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from kelvin_provision.errors import UsageRefused

CONFIG_VARIABLE = "KELVIN_PROVISION_CONFIG"
# `-o json`, `-ojson`, `-vojson`, `--output=json`: what asks for a format, with the format if it is in the same word.
_FORMAT = re.compile(r"(?:--output|-[hvy]*o)=?(.*)")

T = TypeVar("T")


class Output(StrEnum):
    """How the answer is written on stdout."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


@dataclass(frozen=True)
class Session:
    """The shared options of one run. `state_dir` and `config` are None when they were not given."""

    output: Output = Output.TABLE
    verbose: bool = False
    quiet: bool = False
    no_color: bool = False
    state_dir: Path | None = None
    config: Path | None = None

    @property
    def document(self) -> bool:
        """Whether stdout takes exactly one document, errors included."""
        return self.output in {Output.JSON, Output.YAML}


def agreed(outputs: Sequence[Output], *, json: bool) -> Output:
    """The format that every `-o` and `--json` ask for together; raises UsageRefused when they disagree."""
    output = single("--output", outputs)
    if json and output not in {None, Output.JSON}:
        raise UsageRefused(f"--json and --output {output} contradict each other")
    return Output.JSON if json else output or Output.TABLE


def single(option: str, values: Sequence[T]) -> T | None:
    """The one value of an option that may be repeated but has one meaning; raises UsageRefused for two different ones."""
    different = list(dict.fromkeys(values))
    if len(different) > 1:
        raise UsageRefused(f"{option} {different[0]} and {option} {different[1]} contradict each other")
    return different[0] if different else None


def glimpse(words: Sequence[str]) -> Session:
    """What can be read from a command line that was refused: even its error keeps to the format asked for, wherever that stands."""
    options = list(words[: words.index("--")]) if "--" in words else list(words)
    output = Output.TABLE
    for word, following in zip(options, [*options[1:], ""], strict=True):
        match = _FORMAT.fullmatch(word)
        if match and (match[1] or following) in set(Output):
            output = Output(match[1] or following)
    if "--json" in options:
        output = Output.JSON
    return Session(output=output, verbose=bool({"-v", "--verbose"} & {*options}), no_color="--no-color" in options)
