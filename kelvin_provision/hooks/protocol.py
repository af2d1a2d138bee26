"""The site's scripts around an apply, as a use-case sees them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from kelvin_provision.errors import ProvisionError
from kelvin_provision.events import Progress

Document = Mapping[str, Any]


class Hooks(Protocol):
    def any(self) -> bool:
        """Whether there is a script for any event."""
        ...

    def inspect(self) -> tuple[int, Sequence[ProvisionError]]:
        """The number of scripts, and why some of them would be refused. Runs none."""
        ...

    def run(self, event: str, document: Document, progress: Progress, stop: Callable[[], bool]) -> None:
        """Run all scripts of an event. Raises HookRefused, HookFailed, HookTimeout, Interrupted."""
        ...


class NoHooks:
    """A box without scripts."""

    def any(self) -> bool:
        return False

    def inspect(self) -> tuple[int, Sequence[ProvisionError]]:
        return 0, ()

    def run(self, event: str, document: Document, progress: Progress, stop: Callable[[], bool]) -> None:
        pass
