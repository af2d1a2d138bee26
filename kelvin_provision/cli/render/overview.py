"""What `workloads list` shows: from the ledger and the sizes of files alone. Watching shows the same again and again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kelvin_provision import timestamps
from kelvin_provision.cli.render.report import Table
from kelvin_provision.cli.render.tables import ago
from kelvin_provision.context import Context
from kelvin_provision.errors import NoSpace
from kelvin_provision.files.lock import holder
from kelvin_provision.ledger.model import Workload
from kelvin_provision.ledger.snapshot import why_not_writable
from kelvin_provision.queries import documents
from kelvin_provision.spec.enums import Download

Items = Sequence[Mapping[str, Any]]
COLUMNS = ("name", "title", "cluster", "app", "version", "status", "staged", "last seen", "images")


@dataclass(frozen=True)
class Overview:
    """All workloads as items of the platform's list, how far the downloads are in percent, and whether nobody works on them.

    `images` has words on the images of each; only for who looks wide.
    """

    items: Items
    percents: Mapping[str, int]
    unattended: bool
    full: str = ""
    """That the ledger has no room, if so: what was met then is not written down."""
    images: Mapping[str, str] = field(default_factory=dict)

    def warnings(self, shown: Items) -> tuple[str, ...]:
        """Those of the items that are shown, and one of the whole box."""
        found = tuple(f"{item['name']}: {text}" for item in shown for text in item["status"]["warnings"])
        silent = "no agent is running: nothing is being downloaded or applied (kelvin-provision agent run)"
        box = (f"{self.full}: nothing is downloaded until there is room",) if self.full else ()
        return (*found, *box, *((silent,) if self.unattended else ()))

    def table(self, shown: Items, footer: str = "") -> Table:
        """For people."""
        now = timestamps.now()
        rows = [
            (
                item["name"],
                item["title"],
                item["cluster_name"],
                item["app_name"],
                item["app_version"],
                item["status"]["state"],
                f"{item['staged']['app_version']} {_staged(item, self.percents.get(item['name']))}" if item["staged"] else "-",
                ago(item["status"]["last_seen"] or "", now),
                self.images.get(item["name"], ""),
            )
            for item in shown
        ]
        return Table(
            COLUMNS,
            rows,
            wide=frozenset({"title", "cluster", "images"}),
            empty="No workloads found.",
            footer=footer or f"Total: {len(rows)} workload{'' if len(rows) == 1 else 's'}",
            gives=("title", "app", "cluster", "last seen", "version"),
        )


def words(item: Mapping[str, Any], percent: int | None = None, *, staged: bool = False) -> str:
    """Where a workload is, in one line: `running, 2.3.0 downloading 45%`. With `staged`, or without a running version, only the latter."""
    state, download = str(item["status"]["state"]), _staged(item, percent)
    if not download:
        return state
    return download if staged or state == "staged" else f"{state}, {item['staged']['app_version']} {download}"


def _staged(item: Mapping[str, Any], percent: int | None) -> str:
    """The state of the staged version, with the percent while it is on its way; empty when nothing is staged."""
    if not item["staged"]:
        return ""
    state = str(item["staged"]["status"]["state"])
    return state if percent is None or state != "downloading" else f"{state} {percent}%"


def look(ctx: Context, *, staged: bool, wide: bool = False) -> Overview:
    """One look at the ledger; the store is asked only about what is being downloaded, or about all images for a `wide` one."""
    found = ctx.ledger.workloads()
    waits = any(workload.orders or (workload.staged and workload.staged.in_motion) for workload in found)
    return Overview(
        items=[documents.listed(workload, staged=staged) for workload in found],
        percents=percents(ctx, found),
        unattended=waits and holder(ctx.settings.state_dir / "agent.lock") is None,
        full=str(trouble) if waits and isinstance(trouble := why_not_writable(ctx.ledger.path), NoSpace) else "",
        images=_images(ctx, found) if wide else {},
    )


def _images(ctx: Context, found: Sequence[Workload]) -> dict[str, str]:
    from kelvin_provision.cli.render.transfers import arrivals, short

    return {workload.name: short(arrivals(ctx, workload)) for workload in found}


def percents(ctx: Context, found: Sequence[Workload]) -> dict[str, int]:
    """Of the staged versions on their way, by name. Whole only when it is: the last byte is not the last check."""
    on_their_way = {workload.name: workload.staged.locks for workload in found if workload.staged and _loading(workload)}
    sums = {name: ctx.store.progress(locks) for name, locks in on_their_way.items() if locks}
    return {name: min(100 * done // total, 99) for name, (done, total) in sums.items() if total}


def _loading(workload: Workload) -> bool:
    return workload.staged is not None and workload.staged.download is Download.DOWNLOADING
