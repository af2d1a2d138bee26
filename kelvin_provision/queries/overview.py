"""All workloads with their states, as `workloads list` shows them: from the ledger and the sizes of files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any

from kelvin_provision.errors import NoSpace
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.lock import holder
from kelvin_provision.ledger.sqlite.snapshot import why_not_writable
from kelvin_provision.queries.items import damaged_item, item_of
from kelvin_provision.queries.listing import Cursor, Page, Query, page
from kelvin_provision.spec.enums import Download

if TYPE_CHECKING:
    from kelvin_provision.context import Context
    from kelvin_provision.ledger.model import Workload
    from kelvin_provision.ledger.rows.workloads import Readable
    from kelvin_provision.queries.transfers import ImageTransfer


@dataclass(frozen=True)
class OverviewRequest:
    """A cursor replaces the query. `live` observes the cluster first; `images` reads each image of each workload, too."""

    query: Query = field(default_factory=Query)
    size: int | None = None
    cursor: Cursor | None = None
    live: bool = False
    images: bool = False

    @property
    def staged(self) -> bool:
        return self.cursor.query.staged if self.cursor else self.query.staged


@dataclass(frozen=True)
class Overview:
    """A page of workloads, and the percentage of their downloads by name.

    `unattended`: there is work for an agent and none is alive. `full`: the message of a ledger without space for observations.
    `unused`: this box has no workload and no history.
    """

    page: Page
    percents: Mapping[str, int] = field(default_factory=dict)
    unattended: bool = False
    full: str = ""
    unused: bool = False
    images: Mapping[str, tuple[ImageTransfer, ...]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The platform's list."""
        return self.page.to_json()


def overview(ctx: Context, request: OverviewRequest) -> Overview:
    if request.live:
        from kelvin_provision.applying.observe import observe

        observe(ctx, ctx.ledger.running_names())
    return overview_of(ctx, ctx.ledger.readable(), request)


def overview_of(ctx: Context, readable: Readable, request: OverviewRequest) -> Overview:
    """The overview of these workloads. The store is read only for downloads, and for `images`."""
    workloads = tuple(readable.workloads.values())
    items = [item_of(workload, staged=request.staged) for workload in workloads]
    items += [damaged_item(name, why) for name, why in readable.damaged.items()]
    work = any(workload.orders or (workload.staged and workload.staged.in_motion) for workload in workloads)
    trouble = why_not_writable(ctx.ledger.path) if work else None
    return Overview(
        page(items, request.query, size=request.size, cursor=request.cursor),
        percents=percents(ctx, workloads),
        unattended=work and holder(ctx.settings.state_dir / "agent.lock") is None,
        full=str(trouble) if isinstance(trouble, NoSpace) else "",
        unused=not items and _is_unused(ctx),
        images=_images(ctx, workloads) if request.images else {},
    )


def _is_unused(ctx: Context) -> bool:
    from kelvin_provision.ledger.history import head  # the list of a box in use does not need it

    return not head(ctx.ledger)


def _images(ctx: Context, workloads: Iterable[Workload]) -> dict[str, tuple[ImageTransfer, ...]]:
    from kelvin_provision.queries.transfers import transfers

    return {workload.name: transfers(ctx, workload) for workload in workloads}


def percents(ctx: Context, workloads: Iterable[Workload]) -> dict[str, int]:
    """Percentages of the downloads of staged versions, by name. At most 99: verification follows the last byte."""
    locks = {workload.name: workload.staged.locks for workload in workloads if workload.staged and is_downloading(workload)}
    sums = {name: ctx.store.progress(images) for name, images in locks.items() if images}
    return {name: min(100 * done // total, 99) for name, (done, total) in sums.items() if total}


def is_downloading(workload: Workload) -> bool:
    return workload.staged is not None and workload.staged.download is Download.DOWNLOADING
