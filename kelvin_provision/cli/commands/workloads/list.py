"""List workloads with their states."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kelvin_provision.cli.session import Session
from kelvin_provision.cli.tables import ago
from kelvin_provision.files.lock import holder
from kelvin_provision.report import Report, Table
from kelvin_provision.spec.words import State

if TYPE_CHECKING:
    from kelvin_provision.ledger.model import Workload

_STATE = typer.Option("--state", help="Only those in this state; may be repeated.")
_SEARCH = typer.Option("--search", metavar="TEXT", help="Only those with this in a name or title, in capitals or not; may be repeated.")


def command(
    session: Session,
    *,
    staged: Annotated[bool, typer.Option("--staged", help="Only staged versions, with their download states.")] = False,
    state: Annotated[list[State] | None, _STATE] = None,
    search: Annotated[list[str] | None, _SEARCH] = None,
    live: Annotated[bool, typer.Option("--live", help="Ask the cluster now instead of showing what was seen last.")] = False,
) -> Report:
    """List workloads with their states.

    With --json: the platform's own list.
    """
    return listed(session, staged=staged, states=state or [], search=search or [], live=live)


def listed(session: Session, *, staged: bool, states: list[State], search: list[str], live: bool) -> Report:
    """From the ledger alone, unless `live`."""
    from kelvin_provision.cli.box import node_of
    from kelvin_provision.ops import views

    with node_of(session) as node:
        if live:
            from kelvin_provision.ops.apply import look

            look(node.ledger, node.cluster, [found.name for found in node.ledger.workloads() if found.running])
        found = [workload for workload in node.ledger.workloads() if _matches(workload, search)]
        silent = holder(node.settings.state_dir / "agent.lock") is None and any(
            workload.staged and workload.staged.in_motion for workload in found
        )
    document = views.page(found, staged=staged, states=states)
    data = document["data"]
    warnings = tuple(f"{item['name']}: {text}" for item in data for text in item["status"]["warnings"])
    if silent:
        warnings += ("no agent is running: nothing is being downloaded (kelvin-provision agent run)",)
    return Report("workloads list", document=document, table=_table(data), warnings=warnings, names=tuple(item["name"] for item in data))


def _matches(workload: Workload, search: list[str]) -> bool:
    spec = workload.shown.spec
    text = "\n".join((workload.name, workload.title, spec.app_name, spec.cluster_name, spec.node_name or "")).lower()
    return not search or any(part.lower() in text for part in search)


def _table(data: list[dict[str, Any]]) -> Table:
    now = datetime.now(UTC)
    rows = [
        (
            item["name"],
            item["title"],
            item["cluster_name"],
            item["app_name"],
            item["app_version"],
            item["status"]["state"],
            f"{item['staged']['app_version']} {item['staged']['status']['state']}" if item["staged"] else "-",
            ago(item["status"]["last_seen"] or "", now),
        )
        for item in data
    ]
    columns = ("name", "title", "cluster", "app", "version", "status", "staged", "last seen")
    total = f"Total: {len(rows)} workload{'' if len(rows) == 1 else 's'}"
    return Table(columns, rows, wide=frozenset({"title", "cluster"}), empty="No workloads found.", footer=total)
