"""What was done to workloads, when, by whom and how it ended: `workloads history`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kelvin_provision.errors import WorkloadUnknown
from kelvin_provision.ledger import archive, orders
from kelvin_provision.ledger import history as ledger_history
from kelvin_provision.queries.items import order_to_json

if TYPE_CHECKING:
    from kelvin_provision.context import Context
    from kelvin_provision.ledger.model.operations import Entry
    from kelvin_provision.ledger.model.orders import Order


@dataclass(frozen=True)
class HistoryRequest:
    """`names` is empty for all workloads. With `verify`, the chain of hashes is checked first. `newest` is None for all lines.

    `order`: only lines about its workloads from when it was placed until it ended; the code of an order, or its number.
    """

    names: tuple[str, ...] = ()
    verify: bool = False
    newest: int | None = None
    order: str = ""


@dataclass(frozen=True)
class Verified:
    """The chain is intact: its number of lines, and the hash of the last one."""

    lines: int
    head: str


@dataclass(frozen=True)
class HistoryResult:
    """Oldest first; failed and refused attempts have their evidence. `sealed` older lines are in files in `folder` (history.keep)."""

    entries: tuple[Entry, ...]
    verified: Verified | None = None
    sealed: int = 0
    folder: Path | None = None
    order: Order | None = None

    def to_json(self) -> dict[str, Any]:
        document: dict[str, Any] = {"entries": [_entry_to_json(entry) for entry in self.entries]}
        document["sealed"] = {"lines": self.sealed, "path": str(self.folder)} if self.sealed else None
        document |= {"order": order_to_json(self.order)} if self.order else {}
        return document | ({"verified": asdict(self.verified)} if self.verified else {})


def _entry_to_json(entry: Entry) -> Mapping[str, Any]:
    return asdict(entry)


def history(ctx: Context, request: HistoryRequest) -> HistoryResult:
    """Removed workloads have a history, too. Raises WorkloadUnknown for a name without one, OrderUnknown, HistoryBroken."""
    verified = verify_history(ctx) if request.verify else None
    order = orders.named(ctx.ledger, request.order) if request.order else None
    names = request.names or (order.names if order else ())
    entries = ledger_history.history(ctx.ledger, *names, evidence=True, newest=None if order else request.newest)
    if order:
        entries = tuple(entry for entry in entries if order.asked <= entry.time <= (order.ended or entry.time))[-(request.newest or 0) :]
    sealed, folder = archive.summary(ctx.ledger)
    if request.names:
        unknown = set(request.names) - ledger_history.known(ctx.ledger, request.names) - set(ctx.ledger.slots(request.names))
        if unknown:
            raise WorkloadUnknown(_nothing(", ".join(sorted(unknown)), sealed, folder))
    return HistoryResult(entries, verified, sealed, folder, order)


def _nothing(names: str, sealed: int, folder: Path) -> str:
    if not sealed:
        return f"nothing was ever done to {names} on this box"
    return f"the history in the ledger has nothing of {names}; older lines ({sealed}) are in {folder}"


def verify_history(ctx: Context) -> Verified:
    """Check the chain of hashes, that of the files too. Raises HistoryBroken."""
    return Verified(archive.verify(ctx.ledger), ledger_history.head(ctx.ledger))
