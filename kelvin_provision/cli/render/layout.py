"""Text that fits a terminal: lines end between words, and what continues stands below its beginning.

Nothing is wrapped in a pipe or a file, and no command that is to be copied.
"""

from __future__ import annotations

import re
import shutil
import textwrap
from typing import TextIO

from kelvin_provision.cli.frame import terminal

# What a line of text begins with: `Status:     `, `  - `, spaces.
_LABEL = re.compile(r"(?:[A-Z][A-Za-z ]{0,12}: +| +(?:warning: )?|warning: |error: )")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d)")
_PROSE = "has|is|was|and|or|to|takes|starts|shows|tries|would|does|needs"
"""Words that follow a command in a sentence."""
_COMMAND = re.compile(rf"(?:sudo )?\b(?:kelvin-provision|systemctl|journalctl|docker|kubectl|crictl)(?: (?!(?:{_PROSE})\b)[^\s;,()]+)+")
_JOINT = "\0"
"""In place of the spaces of a date with its time, and of a command: they stay together."""
_LEAST = 2
"""Columns by which a line that continues is indented where its beginning does not say, unless a word needs the whole width."""
_SHARE = 2
"""The beginning of a line is kept free below it where it takes at most this part of the width."""


def width_of(stream: TextIO) -> int | None:
    """Columns of a terminal; None where lines may not be broken."""
    return shutil.get_terminal_size().columns if terminal.can_draw(stream) else None


def wrapped(text: str, width: int | None, *, begin: int = 0, command: str = "") -> str:
    """Each line of `text` broken between words. `begin`: columns of the first line that something else takes, in colour perhaps.

    `command` is one in the text that is not broken, whatever program it starts and whatever its words are.
    """
    if width is None:
        return text
    return "\n".join(
        part for number, line in enumerate(text.split("\n")) for part in _broken(line, width, begin if number == 0 else 0, command)
    )


def _broken(line: str, width: int, begin: int, command: str) -> list[str]:
    if begin + terminal.cells(line) <= width:
        return [line]
    label = _LABEL.match(line)
    lead = label[0] if label else ""
    text = line[len(lead) :].replace(command, command.replace(" ", _JOINT)) if command else line[len(lead) :]
    text = _TIME.sub(rf"\1{_JOINT}\2", _COMMAND.sub(lambda match: match[0].replace(" ", _JOINT), text))
    longest = max((len(word) for word in text.split()), default=0)
    hangs = [begin + len(lead), begin + len(lead.removesuffix("warning: "))]
    hang = next((hang for hang in hangs if hang * _SHARE <= width and hang + longest <= width), None)
    hang = hang if hang is not None else _LEAST if _LEAST + longest <= width else 0
    wrapper = textwrap.TextWrapper(width, break_long_words=False, break_on_hyphens=False)
    wrapper.subsequent_indent = " " * hang
    first, _, _ = text.partition(" ")
    if begin + len(lead) + len(first) > width:  # its first word has more room on a line of its own
        wrapper.initial_indent = wrapper.subsequent_indent
        head = [lead.rstrip()] if begin or lead.strip() else []
        return [*head, *(part.replace(_JOINT, " ") for part in wrapper.wrap(text))]
    wrapper.initial_indent = " " * (begin + len(lead))
    parts = [part.replace(_JOINT, " ") for part in wrapper.wrap(text)]
    return [lead + parts[0][begin + len(lead) :], *parts[1:]] if parts else [line]
