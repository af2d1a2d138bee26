"""Tokens of programs as the API sees them: looked up at each request, their last use noted beside the answer."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from kelvin_provision.access.programs import ProgramToken, ProgramTokens
from kelvin_provision.access.uses import LastUses
from kelvin_provision.errors import ProvisionError


class Programs:
    """`later` calls a function in the thread that may wait for the disk."""

    def __init__(self, state_dir: Path, later: Callable[[Callable[[], None]], object]) -> None:
        self.uses = LastUses(state_dir)
        self._tokens = ProgramTokens(state_dir)
        self._later = later

    def find(self, identifier: str, now: float) -> ProgramToken | None:
        """The token of a program that asks now; None if it was revoked. Raises StateDamaged."""
        token = self._tokens.find(identifier)
        if token and self.uses.note(identifier, now):
            self._later(self._save)
        return token

    def _save(self) -> None:
        """Without it the list says less; who asks is answered all the same."""
        with suppress(ProvisionError, OSError):
            self.uses.save({token.identifier for token in self._tokens.all()})
