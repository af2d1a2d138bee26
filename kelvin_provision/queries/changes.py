"""The source of events: repeated looks at the ledger, and the changes between two of them.

`deploy --wait`, `wait`, `list --watch` and every other front end that follows workloads use `looks`, or `Watching` where a thread of
their own would be too much (the API's stream of events). No channel to the agent is needed: the ledger and the sizes of files say
everything.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kelvin_provision import timestamps
from kelvin_provision.ledger.rows.workloads import Readable
from kelvin_provision.queries.items import WorkloadItem, position
from kelvin_provision.queries.overview import Overview, OverviewRequest, overview_of

if TYPE_CHECKING:
    from kelvin_provision.context import Context
    from kelvin_provision.ledger.model.workloads import Workload

_STEP = 0.1
"""Seconds between two checks whether to stop."""


@dataclass(frozen=True)
class Look:
    """What the ledger has. `changed`: something was written since the last look; always true for the first one."""

    readable: Readable
    changed: bool

    @property
    def workloads(self) -> Mapping[str, Workload]:
        """By name."""
        return self.readable.workloads


def looks(
    ctx: Context, names: Collection[str] | None = None, *, interval: float | None = None, timeout: float | None = None
) -> Iterator[Look]:
    """A look immediately, then one every `interval` seconds (`timings.poll`), until `ctx.stop`, or a last one after `timeout` seconds.

    The tables are read only after a change. A removed workload is missing from the look. Raises StateDamaged for one of these names.
    """
    interval = ctx.timings.poll if interval is None else interval
    deadline = None if timeout is None else time.monotonic() + timeout
    readable = Readable({}, {})
    version = None
    while True:
        current = ctx.ledger.version()
        changed = current != version
        if changed:
            version, readable = current, ctx.ledger.readable(names)
            for damage in readable.damaged.values() if names is not None else ():
                raise damage
        yield Look(readable, changed)
        left = interval if deadline is None else min(interval, deadline - time.monotonic())
        if left <= 0 or not _rest(ctx, left):
            return


def _rest(ctx: Context, seconds: float) -> bool:
    """Wait; returns whether to continue."""
    until = time.monotonic() + seconds
    while not ctx.stop():
        left = until - time.monotonic()
        time.sleep(max(min(left, _STEP), 0))
        if left <= _STEP:
            return True
    return False


# --- watching a list ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """The position of a workload, with and without the percentage of its download."""

    text: str
    state: str
    item: WorkloadItem


@dataclass(frozen=True)
class Change:
    """`before` is None for a new workload in the list, `after` and `item` for a removed one."""

    name: str
    before: str | None
    after: str | None
    item: WorkloadItem | None
    time: str

    def to_json(self) -> dict[str, Any]:
        return {
            "time": self.time,
            "name": self.name,
            "before": self.before,
            "after": self.after,
            "item": self.item.to_json() if self.item else None,
        }


@dataclass(frozen=True)
class Watched:
    """The list at one look, and its changes since the look before."""

    overview: Overview
    changes: tuple[Change, ...]


def watch(ctx: Context, request: OverviewRequest) -> Iterator[Watched]:
    """The list at every look, until `ctx.stop`. The first one has all workloads as changes."""
    seen: Overview | None = None
    watching = Watching(staged=request.staged)
    for look in looks(ctx):
        if seen is None or look.changed or seen.percents or seen.next_tries:
            seen = overview_of(ctx, look.readable, request)
        yield Watched(seen, watching.take(seen))


class Watching:
    """The list as it was, so that the next look at it says what has changed. For who looks at times of its own.

    With `details`, whatever an item shows is a change, except when its workload was last seen.
    """

    def __init__(self, *, staged: bool = False, details: bool = False) -> None:
        self._staged = staged
        self._details = details
        self._before: Mapping[str, Place] = {}

    def take(self, overview: Overview) -> tuple[Change, ...]:
        """The first time, all workloads are changes."""
        before, self._before = self._before, places(overview, staged=self._staged)
        return compare(before, self._before, details=self._details)


def places(overview: Overview, *, staged: bool = False) -> dict[str, Place]:
    return {
        item.name: Place(
            position(item, overview.percents.get(item.name), staged=staged),
            position(item, staged=staged),
            item,
        )
        for item in overview.page.items
    }


def compare(before: Mapping[str, Place], after: Mapping[str, Place], *, details: bool = False) -> tuple[Change, ...]:
    """Progress in percent alone is no change."""
    now = timestamps.rfc3339_now()
    gone = [Change(name, place.text, None, None, now) for name, place in before.items() if name not in after]
    moved = [
        Change(name, before[name].text if name in before else None, place.text, place.item, now)
        for name, place in after.items()
        if name not in before or before[name].state != place.state or (details and _differ(before[name].item, place.item))
    ]
    return (*gone, *moved)


def _differ(before: WorkloadItem, after: WorkloadItem) -> bool:
    """In more than what changes with every observation."""
    return before != after and before != replace(after, status=replace(after.status, last_seen=before.status.last_seen))
