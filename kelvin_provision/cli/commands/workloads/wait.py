"""Wait until workloads are in a state."""

from __future__ import annotations

from typing import Annotated

from kelvin_provision.cli.frame.arguments import Names
from kelvin_provision.cli.frame.declared import Option
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.frame.values.durations import duration
from kelvin_provision.cli.render.report import Item, Report
from kelvin_provision.spec.enums import State

_FOR = Option("--for", metavar="STATE", help="The state to wait for; downloading and ready refer to the staged version.")
_TIMEOUT = duration("--timeout", "Give up after this time, with exit code 75.  [default: never]")


def command(
    session: Session,
    *,
    name: Names,
    state: Annotated[State, _FOR],
    timeout: Annotated[float | None, _TIMEOUT] = None,
) -> Report:
    """Wait until workloads are in a state.

    It exits at once when the state cannot be reached any more: with 1 when the version failed, with 66 when the workload was
    removed. Waiting changes nothing.
    """
    from kelvin_provision.cli.frame.box import operating
    from kelvin_provision.events import Note
    from kelvin_provision.files.lock import holder
    from kelvin_provision.queries.wait import WaitRequest, wait

    with operating(session, hangup=True) as ctx:
        if holder(ctx.settings.state_dir / "agent.lock") is None:
            ctx.progress(Note("no agent is running, so nothing is downloaded or applied (kelvin-provision agent start)"))
        positions = wait(ctx, WaitRequest(tuple(name), state, timeout))
    items = tuple(
        Item("workload", workload, state.value, position if position != state.value else "") for workload, position in positions.items()
    )
    return Report("workloads wait", items)
