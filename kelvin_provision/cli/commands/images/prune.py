"""Free what no kept version of a workload needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kelvin_provision.cli.frame.confirm import confirm
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report
from kelvin_provision.quantity import format_bytes, format_rounded

if TYPE_CHECKING:
    from kelvin_provision.images.prune import Plan, Pruned
    from kelvin_provision.node import Node

_ORPHANS = typer.Option(
    "--orphans", help="Also images in the runtime that another state folder of this program brought there; only if that one is gone."
)


def command(
    session: Session,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; nothing is touched.")] = False,
    orphans: Annotated[bool, _ORPHANS] = False,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")] = False,
) -> Report:
    """Free what no kept version of a workload needs.

    In the store: blobs and partial downloads that no version needs, and quarantined files. In the runtime: only images
    that this program brought there, and none that a container uses. What runs, what is staged and what rollback can go back to
    stay. Without --yes it asks, and refuses where there is no terminal to ask on.
    """
    return prune(session, orphans=orphans, dry_run=dry_run, yes=yes)


def prune(session: Session, *, orphans: bool, dry_run: bool, yes: bool) -> Report:
    """Plan, ask, then plan anew and do it under the operator lock."""
    from kelvin_provision.cli.frame.box import node_of, signals_noted
    from kelvin_provision.cli.render.progress import choose
    from kelvin_provision.images import prune as ops

    with choose(session) as progress, node_of(session, progress=progress) as node:
        chosen = ops.plan(node.ledger, node.store, lambda: node.runtime, orphans=orphans)
        if chosen.empty:
            return _report((), chosen)
        if dry_run:
            return _report((*_images(chosen, None), *_totals(node, chosen, chosen.stored, "would be freed")), chosen)
        confirm(f"this will free {_amount(chosen)}", yes=yes, goes=[item.name for item in _images(chosen, None)])
        with signals_noted(), node.changing("images prune") as recovered:
            chosen = ops.plan(node.ledger, node.store, lambda: node.runtime, orphans=orphans)
            done = ops.carry_out(chosen, node.ledger, node.store, lambda: node.runtime)
        return _report((*_images(chosen, done), *_totals(node, chosen, done.stored, "freed")), chosen, recovered)


def _images(chosen: Plan, done: Pruned | None) -> list[Item]:
    named = [(str(lock.reference), lock.name) for lock in chosen.images] + [(name, name) for name in chosen.orphans]
    if done is None:
        return [Item("image", shown, "would be removed from the runtime") for shown, _ in named]
    return [
        Item("image", shown, "stays in the runtime", "a container uses it, or it has another name there")
        if name in done.stays
        else Item("image", shown, "removed from the runtime")
        for shown, name in named
    ]


def _totals(node: Node, chosen: Plan, stored: int, outcome: str) -> list[Item]:
    items = [Item("store", str(node.settings.state_dir), outcome, format_bytes(stored))]
    if chosen.loaded:
        items.append(Item("runtime", node.runtime.name, outcome, f"about {format_rounded(chosen.loaded)}"))
    return items


def _amount(chosen: Plan) -> str:
    found = [f"{format_bytes(chosen.stored)} in the store"] if chosen.stored else []
    count = len(chosen.images) + len(chosen.orphans)
    more = f" (about {format_rounded(chosen.loaded)})" if chosen.loaded else ""
    found += [f"{count} image{'' if count == 1 else 's'} in the runtime{more}"] if count else []
    return " and ".join(found)


def _report(items: tuple[Item, ...], chosen: Plan, recovered: tuple[str, ...] = ()) -> Report:
    """A runtime that could not be asked is said, and is the exit code: its part is left."""
    trouble = chosen.trouble
    warnings = (*recovered, f"images in the runtime are left as they are: {trouble}") if trouble else recovered
    return Report("images prune", items, warnings=warnings, exit_code=trouble.exit_code if trouble else 0)
