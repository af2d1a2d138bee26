"""Run the agent in the foreground."""

from __future__ import annotations

from typing import Annotated

from kelvin_provision.cli.frame.declared import Option
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Report


def command(
    session: Session,
    *,
    until_idle: Annotated[bool, Option("--until-idle", help="Exit when there is nothing left to do.")] = False,
    until_empty: Annotated[bool, Option("--until-empty", help="Exit when no workload is left.")] = False,
) -> Report:
    """Run the agent in the foreground.

    It downloads, applies what is to be applied at once, and keeps the state that `workloads list` shows up to date. Only one agent runs
    on a box. A member of several nodes has nothing left to do once its leader has said what it shall have, all of that is here, and the
    leader knows it; a member that its leader does not know any more ends with an error then.
    """
    return run(session, until_idle=until_idle, until_empty=until_empty)


def run(session: Session, *, until_idle: bool, until_empty: bool) -> Report:
    """Until a signal, or until what was asked for. Stopping in mid-download loses nothing."""
    from kelvin_provision import questions
    from kelvin_provision.agent import loop
    from kelvin_provision.cli.frame.box import operating
    from kelvin_provision.jobs import table

    with operating(session, log=True) as ctx:
        own = table.of_box(ctx.settings.state_dir, session.config)
        loop.run(ctx, until_idle=until_idle, until_empty=until_empty, answer=questions.answer, jobs=own)
    return Report("agent run", streamed=True)
