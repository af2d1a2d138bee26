"""Images on their way and where they came from, in words; and what the living agent says of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kelvin_provision.quantity import format_bytes, format_duration, format_rate

if TYPE_CHECKING:
    from kelvin_provision.context import Context
    from kelvin_provision.ledger.model import Workload
    from kelvin_provision.queries.transfers import Arrival, Tasks


def arrivals(ctx: Context, workload: Workload) -> tuple[Arrival, ...]:
    """The images of one workload; the agent's file is read only while there is something that it may be bringing."""
    from kelvin_provision.queries.transfers import of

    return of(ctx.ledger, ctx.store, workload, _tasks(ctx) if workload.staged and workload.staged.in_motion else {})


def _tasks(ctx: Context) -> Tasks:
    from kelvin_provision.agent import activity, process

    alive = process.alive(ctx.settings.state_dir)
    work = activity.read(process.now_path(ctx.settings.state_dir), alive.get("pid")) if alive else None
    return {task["name"]: task for task in work["tasks"]} if work else {}


def words(one: Arrival) -> str:
    """`36.0 MiB, already present`; `12.3 MiB of 36.0 MiB, 34%, 1.2 MiB/s, 20s left, 4.0 MiB already present`."""
    if one.size is None:
        return "the cluster pulls it" if one.pulled else "not resolved yet"
    if one.whole:
        origin = came(one) or "complete"
        return f"{format_bytes(one.size)}, {origin}{', importing' if one.verb == 'importing' else ''}"
    found = [f"{format_bytes(one.here)} of {format_bytes(one.size)}", f"{100 * one.here // one.size}%"]
    if one.rate:
        found.append(format_rate(one.rate))
    if one.seconds_left is not None:
        found.append(f"{format_duration(one.seconds_left)} left")
    return ", ".join([*found, came(one)] if came(one) else found)


def came(one: Arrival) -> str:
    """Where its bytes came from: one word when it is all here from one place, else each place with its amount; empty where nobody knows."""
    if one.fetched is None:
        return ""
    places = ((one.cached, "already present"), (one.taken, "from containerd"), (one.fetched if one.whole else 0, "downloaded"))
    some = [(count, text) for count, text in places if count]
    if one.whole and len(some) <= 1:
        return some[0][1] if some else "already present"
    return ", ".join(f"{format_bytes(count)} {text}" for count, text in some)


def short(found: Sequence[Arrival]) -> str:
    """For a cell of a table: each with the last part of its name."""
    return "; ".join(f"{one.image.partition('@')[0].rpartition('/')[2]}: {words(one)}" for one in found)
