"""`workloads history` for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kelvin_provision import timestamps
from kelvin_provision.cli.render.report import Table

if TYPE_CHECKING:
    from kelvin_provision.ledger.model.operations import Entry
    from kelvin_provision.queries.history import HistoryResult

COLUMNS = ("time", "who", "action", "name", "revision", "version", "digest", "outcome", "detail")


def table(result: HistoryResult, *, evidence: bool) -> Table:
    """With `evidence`, each failed attempt has its evidence below its line."""
    return Table(
        COLUMNS,
        [_row(entry) for entry in result.entries],
        wide=frozenset({"who"}),
        empty="No history yet.",
        footer=_footer(result, evidence=evidence),
        gives=("detail", "digest", "revision", "version", "name"),
        folds=frozenset({"detail", "name"}),
        below={number: entry.evidence for number, entry in enumerate(result.entries) if entry.evidence} if evidence else {},
    )


def _row(entry: Entry) -> tuple[str, ...]:
    """Times to the second, short digests; the JSON has both in full."""
    number = "-" if entry.revision is None else str(entry.revision)
    digest = entry.digest.partition(":")[2][:12] or "-"
    return (
        timestamps.local(entry.time),
        entry.who,
        entry.action,
        entry.workload or "-",
        number,
        entry.version or "-",
        digest,
        entry.outcome,
        timestamps.with_local_times(entry.detail) or "-",
    )


def _footer(result: HistoryResult, *, evidence: bool) -> str:
    count = len(result.entries)
    footer = f"Total: {count} line{'' if count == 1 else 's'}"
    if result.order:
        footer = f"{result.order.code}: {result.order.subject}, {result.order.outcome or 'not ended yet'}; {footer[0].lower()}{footer[1:]}"
    if result.verified:
        footer = f"The history is intact: {result.verified.lines} lines, the last hash is {result.verified.head or '-'}"
    if result.sealed:
        footer = f"{footer}; {result.sealed} older line{'' if result.sealed == 1 else 's'} in {result.folder}"
    attempts = sum(bool(entry.evidence) for entry in result.entries)
    if evidence or not attempts:
        return footer
    return f"{footer}; -v shows the evidence of {attempts} failed attempt{'' if attempts == 1 else 's'}"
