"""Workloads that cannot be read: the agent logs each once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kelvin_provision.context import Context
from kelvin_provision.errors import StateDamaged
from kelvin_provision.events import Note

_CHUNK = 100
"""Workloads that are in memory at a time."""


@dataclass
class DamageLog:
    """`logged` are the texts; `complete`: each workload was read once. Later turns read those that they have work with."""

    logged: frozenset[str] = frozenset()
    complete: bool = False

    def look_at_all(self, ctx: Context) -> None:
        """Once in the agent's life: where there are many workloads, reading all of them takes seconds."""
        names = [] if self.complete else ctx.ledger.names()
        for first in range(0, len(names), _CHUNK):
            if ctx.stop():
                return
            self.log(ctx, ctx.ledger.readable(names[first : first + _CHUNK]).damaged)
        self.complete = True

    def log(self, ctx: Context, damaged: Mapping[str, StateDamaged]) -> None:
        texts = frozenset(f"{name}: {why}" for name, why in damaged.items())
        for text in sorted(texts - self.logged):
            ctx.progress(Note(text))
        self.logged |= texts
