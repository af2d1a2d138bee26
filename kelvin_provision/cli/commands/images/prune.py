"""Remove images and downloads that no kept version needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from kelvin_provision.cli.frame.arguments import Yes
from kelvin_provision.cli.frame.confirm import confirm
from kelvin_provision.cli.frame.declared import Option
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report
from kelvin_provision.quantity import format_bytes, format_rounded

if TYPE_CHECKING:
    from kelvin_provision.context import Context
    from kelvin_provision.images.prune import Freed, PrunePlan

_ORPHANS = Option(
    "--orphans",
    help="Also remove images that this program imported into the runtime and does not know any more.",
)


def command(
    session: Session,
    *,
    dry_run: Annotated[bool, Option("--dry-run", help="Show what would be removed, and change nothing.")] = False,
    orphans: Annotated[bool, _ORPHANS] = False,
    yes: Yes = False,
) -> Report:
    """Remove images and downloads that no kept version needs.

    From the store: blobs and partial downloads that no version needs, and quarantined files. From the runtime: only images that this
    program brought there and that no container uses. Images of running, staged and kept versions stay; versions that are kept for a
    rollback beyond a lowered keep_revisions are dropped. It asks for confirmation, and is refused without --yes where there is no
    terminal to ask on.
    """
    return prune(session, orphans=orphans, dry_run=dry_run, yes=yes)


def prune(session: Session, *, orphans: bool, dry_run: bool, yes: bool) -> Report:
    """Plan, ask, then plan again and do it."""
    from kelvin_provision.cli.frame.box import context_of, operating
    from kelvin_provision.usecases import prune as usecase

    with context_of(session) as ctx:
        plan = usecase.plan(ctx, orphans=orphans)
        unreachable = plan.warnings
        if plan.empty:
            return _report((), plan, unreachable)
        if dry_run:
            totals = _totals(ctx, plan, plan.store_bytes, "would be freed")
            return _report((*_revisions(plan, "would be dropped"), *_images(plan, None), *totals), plan, unreachable)
    goes = [f"{item.kind} {item.name}" for item in _revisions(plan, "")] + [item.name for item in _images(plan, None)]
    confirm(f"this will {_amount(plan)}", yes=yes, goes=goes)
    with operating(session) as ctx:
        result = usecase.prune(ctx, orphans=orphans)
        totals = _totals(ctx, result.plan, result.pruned.store_bytes, "freed")
        items = (*_revisions(result.plan, "dropped"), *_images(result.plan, result.pruned), *totals)
    return _report(items, result.plan, result.warnings)


def _revisions(plan: PrunePlan, outcome: str) -> list[Item]:
    """That were kept for a rollback, and are more than `keep_revisions` says now."""
    return [Item("revision", f"{workload}/{number}", outcome, "keep_revisions") for workload, number in plan.revisions]


def _images(plan: PrunePlan, result: Freed | None) -> list[Item]:
    named = [(str(lock.reference), lock.name) for lock in plan.images] + [(name, name) for name in plan.orphans]
    if result is None:
        return [Item("image", shown, "would be removed from the runtime") for shown, _ in named]
    return [
        Item("image", shown, "stays in the runtime", "a container uses it, or it has another name there")
        if name in result.still_in_runtime
        else Item("image", shown, "removed from the runtime")
        for shown, name in named
    ]


def _totals(ctx: Context, plan: PrunePlan, stored: int, outcome: str) -> list[Item]:
    items = [Item("store", str(ctx.settings.state_dir), outcome, format_bytes(stored))]
    if plan.runtime_bytes:
        items.append(Item("runtime", ctx.runtime.name, outcome, f"about {format_rounded(plan.runtime_bytes)}"))
    return items


def _amount(plan: PrunePlan) -> str:
    count = len(plan.revisions)
    dropped = [f"drop {count} revision{'' if count == 1 else 's'} kept for a rollback"] if count else []
    parts = [f"{format_bytes(plan.store_bytes)} in the store"] if plan.store_bytes else []
    count = len(plan.images) + len(plan.orphans)
    more = f" (about {format_rounded(plan.runtime_bytes)})" if plan.runtime_bytes else ""
    parts += [f"{count} image{'' if count == 1 else 's'} in the runtime{more}"] if count else []
    return ", and ".join([*dropped, *([f"free {' and '.join(parts)}"] if parts else [])])


def _report(items: tuple[Item, ...], plan: PrunePlan, warnings: tuple[str, ...]) -> Report:
    """The exit code is that of a runtime that could not be asked: its images stay."""
    return Report("images prune", items, warnings=warnings, exit_code=plan.runtime_error.exit_code if plan.runtime_error else 0)
