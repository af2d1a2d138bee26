"""Lines of the history for changes of users and tokens: a change stands once its line is durable."""

from __future__ import annotations

from kelvin_provision.context import Context
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.ledger import history
from kelvin_provision.ledger.model import Entry

_FACT = "access."
"""In front of the name of a file: the fact has the digest of the content that the newest line about it made."""


@dataclass(frozen=True)
class Line:
    """Of a change of a file in `access`, by the actor of this context. Without an `action` it only answers."""

    ctx: Context
    action: str = ""
    detail: str = ""

    @property
    def patience(self) -> float:
        return self.ctx.timings.ledger_busy

    def confirm(self, file: str, digest: str) -> None:
        """Raises what writing to the ledger raises."""
        ledger = self.ctx.ledger
        entry = Entry(ledger.clock(), self.ctx.actor, self.action, "", None, "done", self.detail)
        history.record(ledger, entry, {f"{_FACT}{file}": digest})

    def is_confirmed(self, file: str, digest: str) -> bool:
        return self.ctx.ledger.fact(f"{_FACT}{file}") == digest
