"""The common options as a value, which every command gets first. Knows no terminal and no typer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from kelvin_provision.errors import UsageRefused
from kelvin_provision.fast_dataclass import dataclass

CONFIG_VARIABLE = "KELVIN_PROVISION_CONFIG"
# `-o json`, `-ojson`, `-vojson`, `--output=json`: an option that selects a format, with the format if it is in the same word.
_FORMAT = re.compile(r"(?:--output|-[hvy]*o)=?(.*)")

T = TypeVar("T")


class Output(StrEnum):
    """The format of the result on stdout."""

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
    def whole(self) -> bool:
        """Whether text for people has everything in full."""
        return self.verbose or self.output is Output.WIDE

    @property
    def document(self) -> bool:
        """Whether stdout has exactly one document, also for errors."""
        return self.output in {Output.JSON, Output.YAML}


def agreed(outputs: Sequence[Output], *, json: bool) -> Output:
    """The one format that all `-o` and `--json` select; raises UsageRefused when they differ."""
    output = single("--output", outputs)
    if json and output not in {None, Output.JSON}:
        raise UsageRefused(f"--json and --output {output} contradict each other")
    return Output.JSON if json else output or Output.TABLE


def single(option: str, values: Sequence[T]) -> T | None:
    """The one value of an option that may be repeated; raises UsageRefused for two different ones."""
    different = list(dict.fromkeys(values))
    if len(different) > 1:
        raise UsageRefused(f"{option} {different[0]} and {option} {different[1]} contradict each other")
    return different[0] if different else None


def glimpse(words: Sequence[str]) -> Session:
    """The session of an invalid command line: even its error is printed in the requested format."""
    options = list(words[: words.index("--")]) if "--" in words else list(words)
    output = Output.TABLE
    for word, following in zip(options, [*options[1:], ""], strict=True):
        match = _FORMAT.fullmatch(word)
        if match and (match[1] or following) in set(Output):
            output = Output(match[1] or following)
    if "--json" in options:
        output = Output.JSON
    return Session(output=output, verbose=bool({"-v", "--verbose"} & {*options}), no_color="--no-color" in options)
