"""`workloads list` for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kelvin_provision import timestamps
from kelvin_provision.cli.render.report import Table
from kelvin_provision.cli.render.tables import ago
from kelvin_provision.queries.items import plan_of, shown_state

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from kelvin_provision.queries.items import StagedItem, WorkloadItem
    from kelvin_provision.queries.overview import Overview

COLUMNS = ("name", "title", "cluster", "app", "version", "status", "staged", "rehearsal", "last seen", "images")
NO_AGENT = "no agent is running: nothing is being downloaded or applied (kelvin-provision agent start)"


def warnings(overview: Overview) -> tuple[str, ...]:
    """Warnings of the listed workloads and of the box."""
    of_workloads = (f"{item.name}: {_with_next_try(text, item, overview)}" for item in overview.page.items for text in item.status.warnings)
    of_box = (f"{overview.full}: nothing is downloaded until there is space",) if overview.full else ()
    return (*of_workloads, *of_box, *((NO_AGENT,) if overview.unattended else ()))


def _with_next_try(text: str, item: WorkloadItem, overview: Overview) -> str:
    cause, time = overview.next_tries.get(item.name, ("", ""))
    if text != cause:
        return text
    from kelvin_provision.queries.retries import next_try, seconds_until

    return f"{text}; {next_try(seconds_until(time))}"


def table(overview: Overview, footer: str = "") -> Table:
    now = timestamps.now()
    return Table(
        COLUMNS,
        [_row(item, overview, now) for item in overview.page.items],
        wide=frozenset({"title", "cluster", "rehearsal", "images"}),
        empty="No workloads found.",
        footer=footer or _total(overview.page.items),
        gives=("title", "app", "cluster", "last seen", "version", "staged"),
        folds=frozenset({"staged"}),
    )


def _row(item: WorkloadItem, overview: Overview, now: datetime) -> tuple[str, ...]:
    return (
        item.name,
        item.title,
        item.cluster_name,
        item.app_name,
        item.app_version,
        shown_state(item),
        planned(item.staged, overview.percents.get(item.name), now) if item.staged else "-",
        item.staged.rehearsal.value if item.staged and item.staged.rehearsal else "-",
        ago(item.status.last_seen or "", now),
        _images(item, overview),
    )


def planned(staged: StagedItem, percent: int | None, now: datetime) -> str:
    """`2.0.0 45%`, `2.0.0 ready, 02:00`, `2.0.0 apply failed`."""
    time = _clock(staged.apply_at, now) if staged.apply_at else ""
    return f"{staged.app_version} {plan_of(staged, '' if percent is None else f'{percent}%', time=time)}"


def _clock(at: str, now: datetime) -> str:
    """A time within a day as the clock of the box shows it; another one with its date."""
    within_a_day = abs((timestamps.parse(at) - now).total_seconds()) < 24 * 60 * 60
    return timestamps.local_minute(at)[len("2026-01-02 ") :][: len("02:00")] if within_a_day else timestamps.local_minute(at)


def _images(item: WorkloadItem, overview: Overview) -> str:
    if not overview.images:
        return ""
    from kelvin_provision.cli.render.transfers import summary

    return summary(overview.images.get(item.name, ()))


def _total(items: Sequence[WorkloadItem]) -> str:
    return f"Total: {len(items)} workload{'' if len(items) == 1 else 's'}"
