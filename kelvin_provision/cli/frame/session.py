"""What a person chose about the talking: a value that every command gets first. Knows no terminal and no typer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from kelvin_provision.errors import UsageRefused

# `-o json`, `-ojson`, `-vojson`, `--output=json`: what asks for a format, with the format if it is in the same word.
_ASKED = re.compile(r"(?:--output|-[hvy]*o)=?(.*)")


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


def agreed(output: Output | None, *, json: bool) -> Output:
    """The format that `-o` and `--json` ask for together; raises UsageRefused when they disagree."""
    if json and output not in {None, Output.JSON}:
        raise UsageRefused(f"--json and --output {output} contradict each other")
    return Output.JSON if json else output or Output.TABLE


def glimpse(words: Sequence[str]) -> Session:
    """What can be told from a command line that could not be read: even its error keeps to the format asked for."""
    heard = list(words[: words.index("--")]) if "--" in words else list(words)
    output = Output.TABLE
    for word, after in zip(heard, [*heard[1:], ""], strict=True):
        asked = _ASKED.fullmatch(word)
        if asked and (asked[1] or after) in set(Output):
            output = Output(asked[1] or after)
    if "--json" in heard:
        output = Output.JSON
    return Session(output=output, verbose=bool({"-v", "--verbose"} & {*heard}), no_color="--no-color" in heard)
