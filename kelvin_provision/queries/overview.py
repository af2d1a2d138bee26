"""All workloads with their states, as `workloads list` shows them: from the ledger and the sizes of files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from kelvin_provision.errors import NoSpace
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.lock import holder
from kelvin_provision.ledger.rows.damage import damaged
from kelvin_provision.ledger.sqlite.snapshot import why_not_writable
from kelvin_provision.queries import pages
from kelvin_provision.queries.items import WorkloadItem, damaged_item, item_of
from kelvin_provision.queries.listing import Cursor, Page, Query, page
from kelvin_provision.spec.enums import Download, State
from kelvin_provision.wait_reason import WaitKind

if TYPE_CHECKING:
    from kelvin_provision.context import Context
    from kelvin_provision.ledger.model.workloads import Workload
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
    `unused`: this box has no workload and no history. `next_tries`: the cause of a download that is retried, and its time.
    """

    page: Page
    percents: Mapping[str, int] = field(default_factory=dict)
    unattended: bool = False
    full: str = ""
    unused: bool = False
    images: Mapping[str, tuple[ImageTransfer, ...]] = field(default_factory=dict)
    next_tries: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The platform's list."""
        return self.page.to_json()


_CHUNK = 200
"""Workloads that are in memory at a time."""


def overview(ctx: Context, request: OverviewRequest) -> Overview:
    """Reads the workloads of the page only."""
    if request.live:
        from kelvin_provision.applying.observe import observe

        observe(ctx, ctx.ledger.running_names())
    items: list[WorkloadItem] = []
    done: dict[str, int] = {}
    images: dict[str, tuple[ImageTransfer, ...]] = {}
    tries: dict[str, tuple[str, str]] = {}
    with ctx.ledger.reading():
        chosen = pages.names(ctx.ledger, request.query, size=request.size, cursor=request.cursor)
        for first in range(0, len(chosen.names), _CHUNK):
            names = chosen.names[first : first + _CHUNK]
            readable = ctx.ledger.readable(names)
            items += _items(names, readable, request)
            done |= percents(ctx, readable.workloads.values())
            images |= _images(ctx, readable.workloads.values()) if request.images else {}
            tries |= _next_tries(ctx, readable.workloads.values())
        work = ctx.ledger.has_work()
        unused = not items and ctx.ledger.is_empty() and _is_unused(ctx)
    shown = Page(tuple(items), chosen.next_page, chosen.previous_page)
    return _with_work(ctx, Overview(shown, done, unused=unused, images=images, next_tries=tries), work=work)


def _items(names: Sequence[str], readable: Readable, request: OverviewRequest) -> Iterator[WorkloadItem]:
    """In this order. A damaged workload is failed, whatever its situation was."""
    query = request.cursor.query if request.cursor else request.query
    for name in names:
        if name in readable.workloads:
            yield item_of(readable.workloads[name], staged=query.staged)
        elif not query.state or State.FAILED in query.state:
            yield damaged_item(name, readable.damaged.get(name) or damaged("workloads", [name], "name"))


def overview_of(ctx: Context, readable: Readable, request: OverviewRequest) -> Overview:
    """The overview of these workloads, as who watches them has them in memory. The store is read only for downloads, and for `images`."""
    workloads = tuple(readable.workloads.values())
    items = [item_of(workload, staged=request.staged) for workload in workloads]
    items += [damaged_item(name, why) for name, why in readable.damaged.items()]
    work = any(workload.orders or (workload.staged and workload.staged.in_motion) for workload in workloads)
    result = Overview(
        page(items, request.query, size=request.size, cursor=request.cursor),
        percents=percents(ctx, workloads),
        unused=not items and _is_unused(ctx),
        images=_images(ctx, workloads) if request.images else {},
        next_tries=_next_tries(ctx, workloads),
    )
    return _with_work(ctx, result, work=work)


def _with_work(ctx: Context, result: Overview, *, work: bool) -> Overview:
    if not work:
        return result
    trouble = why_not_writable(ctx.ledger.path)
    unattended = holder(ctx.settings.state_dir / "agent.lock") is None
    return replace(result, unattended=unattended, full=str(trouble) if isinstance(trouble, NoSpace) else "")


def _next_tries(ctx: Context, workloads: Iterable[Workload]) -> dict[str, tuple[str, str]]:
    retried = {w.name: w.staged for w in workloads if w.staged and w.staged.in_motion and w.staged.waiting and w.staged.waiting.is_retry}
    if not retried:
        return {}
    from kelvin_provision.queries.retries import next_tries  # most lists have no trouble

    return {name: (retried[name].cause or "", time) for name, time in next_tries(ctx, retried.values()).items()}


def _is_unused(ctx: Context) -> bool:
    from kelvin_provision.ledger.history import head  # the list of a box in use does not need it

    return not head(ctx.ledger)


def _images(ctx: Context, workloads: Iterable[Workload]) -> dict[str, tuple[ImageTransfer, ...]]:
    from kelvin_provision.queries.transfers import transfers

    return {workload.name: transfers(ctx, workload) for workload in workloads}


def percents(ctx: Context, workloads: Iterable[Workload]) -> dict[str, int]:
    """Percentages of the downloads of staged versions, by name. At most 99: verification follows the last byte.

    None where this box has everything and other nodes are waited for: 99% for a day would say that the end is near.
    """
    locks = {workload.name: workload.staged.locks for workload in workloads if workload.staged and _has_progress(workload)}
    sums = {name: ctx.store.progress(images) for name, images in locks.items() if images}
    return {name: min(100 * done // total, 99) for name, (done, total) in sums.items() if total}


def _has_progress(workload: Workload) -> bool:
    waiting = workload.staged.waiting if workload.staged else None
    return is_downloading(workload) and not (waiting and waiting.kind is WaitKind.NODES)


def is_downloading(workload: Workload) -> bool:
    return workload.staged is not None and workload.staged.download is Download.DOWNLOADING
