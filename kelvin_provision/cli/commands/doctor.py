"""Check the health of this box, and say what to do."""

from __future__ import annotations

import os
from typing import Annotated, Any

from kelvin_provision.cli.frame.declared import Option
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Report

COMMAND = "doctor"


def check_ids(ctx: Any, args: list[str], incomplete: str) -> list[str]:  # noqa: ARG001  (typer finds these by name)
    """For completion."""
    from kelvin_provision.checks.doctor import CHECKS, ONLINE

    return [check.id for check in (*CHECKS, *ONLINE) if check.id.startswith(incomplete)]


_SKIP = Option("--skip", metavar="ID", help="Skip a check; may be repeated.", autocompletion=check_ids)


def command(
    session: Session,
    *,
    skip: Annotated[list[str] | None, _SKIP] = None,
    strict: Annotated[bool, Option("--strict", help="Treat warnings as errors.")] = False,
    online: Annotated[bool, Option("--online", help="Also ask the registries. All other checks need no network.")] = False,
    ids: Annotated[bool, Option("--list", help="List the checks with their ids and run none.")] = False,
) -> Report:
    """Check the health of this box, and say what to do.

    It checks cluster, node, runtime, agent, API, disk, clock, certificates and state, and repairs nothing.

    Each line is ok, a warning or an error: what was found, why it matters, and the next command. Exit code 1 for errors, 0 for
    warnings. Invalid settings are reported as a line of their own; the other checks then use the defaults.

    With --json: `checks` (id, title, status, workload, found, why, next), `counts`, and `error` if a check failed.
    """
    from kelvin_provision.checks.doctor import CHECKS, ONLINE
    from kelvin_provision.cli.commands.checking import listed

    return listed(COMMAND, (*CHECKS, *ONLINE)) if ids else doctor(session, skip=skip or [], strict=strict, online=online)


def doctor(session: Session, *, skip: list[str], strict: bool, online: bool) -> Report:
    """Look at all of it."""
    from kelvin_provision.checks import doctor as checks
    from kelvin_provision.checks.configuration import tolerant
    from kelvin_provision.cli.commands.checking import report_of
    from kelvin_provision.cli.frame.box import context_of, refuse_state_of_others, signals_noted

    configuration = tolerant(config=session.config, state_dir=session.state_dir, environ=os.environ, is_root=os.geteuid() == 0)
    refuse_state_of_others(session, configuration.settings)
    with context_of(session, settings=configuration.settings) as ctx, signals_noted(hangup=True) as stop:
        lines = checks.run(ctx, configuration, skip=skip, online=online, stop=stop)
    return report_of(COMMAND, lines, strict=strict)
