"""Wait until workloads are in a state."""

from __future__ import annotations

from typing import Annotated

import typer

from kelvin_provision.cli.frame.arguments import Names
from kelvin_provision.cli.frame.durations import duration
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report
from kelvin_provision.spec.enums import State

_FOR = typer.Option("--for", help="The state; downloading and ready are of the staged version.")
_TIMEOUT = duration("--timeout", "Give up after this time, with exit code 75.  [default: never]")


def command(
    session: Session,
    *,
    name: Names,
    state: Annotated[State, _FOR],
    timeout: Annotated[float | None, _TIMEOUT] = None,
) -> Report:
    """Wait until workloads are in a state.

    It ends at once where the state cannot be reached any more: with 1 when the version failed, with 66 when the workload is gone.
    Nothing is changed by waiting, nor by giving up.
    """
    return waited(session, name, state, timeout=timeout)


def waited(session: Session, names: list[str], wanted: State, *, timeout: float | None) -> Report:
    """From the ledger alone."""
    from kelvin_provision.cli.commands.workloads.waiting import wait
    from kelvin_provision.cli.frame.box import context_of, signals_noted
    from kelvin_provision.cli.render.progress import choose
    from kelvin_provision.events import Note
    from kelvin_provision.files.lock import holder

    with choose(session) as progress, context_of(session) as ctx, signals_noted(hangup=True) as stop:
        if holder(ctx.settings.state_dir / "agent.lock") is None:
            progress(Note("no agent is running: little will change by itself (kelvin-provision agent run)"))
        where = wait(ctx, names, wanted, timeout=timeout, progress=progress, stop=stop)
    items = tuple(Item("workload", name, wanted.value, words if words != wanted.value else "") for name, words in where.items())
    return Report("workloads wait", items)
