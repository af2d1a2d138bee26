"""The site's scripts behind the gate: what they print is evidence."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kelvin_provision.errors import ProvisionError
from kelvin_provision.events import Progress
from kelvin_provision.foreign.sanitizer import Sanitizer
from kelvin_provision.hooks.protocol import Document, Hooks


class SanitizedHooks:
    """As `hooks`, whose errors and progress are cleaned. What `inspect` returns are our own sentences about files."""

    def __init__(self, hooks: Hooks, sanitizer: Sanitizer) -> None:
        self._hooks = hooks
        self._sanitizer = sanitizer

    def any(self) -> bool:
        with self._sanitizer.errors():
            return self._hooks.any()

    def inspect(self) -> tuple[int, Sequence[ProvisionError]]:
        with self._sanitizer.errors():
            return self._hooks.inspect()

    def run(self, event: str, document: Document, progress: Progress, stop: Callable[[], bool]) -> None:
        with self._sanitizer.errors():
            self._hooks.run(event, document, self._sanitizer.progress(progress), stop)
