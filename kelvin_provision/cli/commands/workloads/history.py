"""Show what was done to workloads, when, by whom and how it ended."""

from __future__ import annotations

from typing import Annotated

from kelvin_provision.cli.frame.arguments import names
from kelvin_provision.cli.frame.declared import Option
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import SCHEMA, Report

_LIMIT = Option("--limit", metavar="N", min=1, help="Only the newest N lines.")
_CODE = Option("--code", metavar="CODE", help="Only what belongs to the order with this code, which a page shows for the shift log.")
_VERIFY = Option("--verify", help="Verify first that no line was changed or removed; exit with 65 if one was.")


def command(
    session: Session,
    *,
    name: Annotated[list[str], names("Only these workloads, removed ones included.")],
    limit: Annotated[int | None, _LIMIT] = None,
    code: Annotated[str | None, _CODE] = None,
    verify: Annotated[bool, _VERIFY] = False,
) -> Report:
    """Show what was done to workloads, when, by whom and how it ended.

    Failures are included; with -v and --json together with their evidence: events, container states and the last lines of the logs.
    Lines older than those that `history.keep` keeps are in files in the state directory's history/, one JSON document a line.
    Every line contains a hash of itself and the line before; --verify checks them all, those in files too, and prints the hash of the
    last line. Keep that hash: without it, lines cut off the end cannot be noticed.
    """
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.cli.render.history import table
    from kelvin_provision.queries.history import HistoryRequest, history

    with context_of(session) as ctx:
        result = history(ctx, HistoryRequest(tuple(name or ()), verify=verify, newest=limit, order=code or ""))
    document = {"schema": SCHEMA, "command": "workloads history"} | result.to_json()
    workloads = tuple(dict.fromkeys(entry.workload for entry in result.entries))
    return Report("workloads history", document=document, table=table(result, evidence=session.verbose), names=workloads)
