"""Lines of logs for people and pipes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kelvin_provision.cli.frame import terminal

if TYPE_CHECKING:
    from kelvin_provision.cluster.logs.lines import LogLine

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class LineFormat:
    """The format of a line. With more than one container, lines have the pod's name."""

    def __init__(self, *, timestamps: bool, escape: bool) -> None:
        """With `escape`, control characters are made visible and an application's own colours are left out."""
        self._timestamps, self._escape = timestamps, escape
        self._containers: set[tuple[str, str]] = set()

    def __call__(self, line: LogLine) -> str:
        text = terminal.plain(_COLOURS.sub("", line.text)) if self._escape else line.text
        return f"{self._prefix(line)}{f'{line.time} ' if self._timestamps else ''}{text}\n"

    def _prefix(self, line: LogLine) -> str:
        self._containers.add((line.source, line.container))
        if len(self._containers) == 1:
            return ""
        pods = {source for source, _ in self._containers}
        return f"[{line.source}] " if len(pods) == len(self._containers) else f"[{line.source}/{line.container}] "
