"""Show what was done to workloads, when, by whom and how it ended."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kelvin_provision.cli.frame.arguments import names
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import SCHEMA, Report, Table
from kelvin_provision.errors import HistoryBroken, WorkloadUnknown

if TYPE_CHECKING:
    from kelvin_provision.ledger.ledger import Ledger
    from kelvin_provision.ledger.model import Entry

_VERIFY = typer.Option("--verify", help="Check first that no line was changed or removed; 65 if one was.")
_COLUMNS = ("time", "who", "action", "name", "revision", "version", "digest", "outcome", "detail")


def command(
    session: Session,
    *,
    name: Annotated[list[str], names("Only these workloads, even if they are gone.")],
    verify: Annotated[bool, _VERIFY] = False,
) -> Report:
    """Show what was done to workloads, when, by whom and how it ended.

    Failures are in it, too. Every line holds a hash over itself and the line before; --verify checks them all. Lines cut off
    the end show only to who has written down the hash of the last line, which --verify prints.
    """
    return history(session, name or [], verify=verify)


def history(session: Session, names: list[str], *, verify: bool) -> Report:
    """From the ledger alone, oldest first."""
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.ledger import journal

    with context_of(session) as ctx:
        checked = _checked(ctx.ledger) if verify else None
        entries = [entry for entry in journal.history(ctx.ledger, evidence=True) if not names or entry.workload in names]
        strangers = set(names) - {entry.workload for entry in entries} - set(ctx.ledger.names())
    if strangers:
        raise WorkloadUnknown(f"nothing was ever done to {', '.join(sorted(strangers))} on this box")
    document: dict[str, Any] = {"schema": SCHEMA, "command": "workloads history", "entries": [asdict(entry) for entry in entries]}
    footer = f"Total: {len(entries)} line{'' if len(entries) == 1 else 's'}"
    if checked is not None:
        document["verified"] = checked
        footer = f"The history is whole: {checked['lines']} lines, the last hash is {checked['head'] or '-'}"
    table = Table(_COLUMNS, [_row(entry) for entry in entries], wide=frozenset({"who"}), empty="Nothing was done yet.", footer=footer)
    return Report("workloads history", document=document, table=table, names=tuple(dict.fromkeys(entry.workload for entry in entries)))


def _checked(ledger: Ledger) -> dict[str, Any]:
    from kelvin_provision.ledger import journal

    line = journal.broken_link(ledger)
    if line is not None:
        raise HistoryBroken(f"line {line} of the history does not fit: it was changed, or a line before it is missing")
    return {"lines": len(journal.history(ledger)), "head": journal.head(ledger)}


def _row(entry: Entry) -> tuple[str, ...]:
    """Times to the second, digests as short as people compare them; the whole of both is in the JSON."""
    number = "-" if entry.revision is None else str(entry.revision)
    digest = entry.digest.partition(":")[2][:12] or "-"
    when = f"{entry.time[:19]}Z"
    return (when, entry.who, entry.action, entry.workload, number, entry.version or "-", digest, entry.outcome, entry.detail or "-")
