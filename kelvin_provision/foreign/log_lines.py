"""Lines of container logs without known secrets, also those that are broken over two lines or over the parts of a long one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from kelvin_provision.cluster.logs.lines import LogLine
from kelvin_provision.masking.redactor import Redactor

_Container = tuple[str, str]


class LogLines:
    """For one reading of the logs of one workload. The secrets are read at the first line."""

    def __init__(self, redactor: Callable[[], Redactor]) -> None:
        self._make = redactor
        self._held: dict[_Container, LogLine] = {}
        self._ends: dict[_Container, str] = {}

    def masked(self, lines: Iterable[LogLine]) -> Iterator[LogLine]:
        redactor: Redactor | None = None
        for line in lines:
            redactor = redactor or self._make()
            yield self._masked(line, redactor)
        for held in self._held.values():
            yield replace(held, text=redactor.known(held.text) if redactor else held.text, continues=False)

    def _masked(self, line: LogLine, redactor: Redactor) -> LogLine:
        """Of a line that continues in the next one, the end that may be the beginning of a secret is held back until then."""
        key = line.source, line.container
        held = self._held.pop(key, None)
        text = f"{held.text}{line.text}" if held else line.text
        if line.continues and redactor.overlap:
            # a secret that is complete ends within what is held back, or before it
            text = redactor.known_whole(text)
            cut = max(len(text) - redactor.overlap, 0)
            self._held[key] = replace(line, text=text[cut:])
            text = text[:cut]
        before, self._ends[key] = self._ends.get(key, ""), text[-redactor.overlap :] if redactor.overlap else ""
        return replace(line, text=redactor.known(text, after=before) if not line.continues else text)
