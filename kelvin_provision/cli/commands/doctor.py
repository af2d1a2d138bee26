"""Say how well this box is, and what to do where it is not."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Report

COMMAND = "doctor"


def check_ids(ctx: Any, args: list[str], incomplete: str) -> list[str]:  # noqa: ARG001  (typer finds these by name)
    """For completion."""
    from kelvin_provision.checks.doctor import CHECKS

    return [check.id for check in CHECKS if check.id.startswith(incomplete)]


_SKIP = typer.Option("--skip", metavar="ID", help="Leave a check out; may be repeated.", autocompletion=check_ids)


def command(
    session: Session,
    *,
    skip: Annotated[list[str] | None, _SKIP] = None,
    strict: Annotated[bool, typer.Option("--strict", help="A warning fails, too.")] = False,
    ids: Annotated[bool, typer.Option("--list", help="Show the checks with their ids and make none.")] = False,
) -> Report:
    """Say how well this box is, and what to do where it is not.

    Cluster, node, runtime, agent, disk, clock, certificates, state. It repairs nothing.

    Each line: ok, warning or error; what was found, why it matters, the next command. Warnings exit 0, errors 1.
    Settings that are not right are a line, too: it goes on with the defaults.

    With --json: `checks` (id, title, status, workload, found, why, next), `counts`, and `error` where one failed.
    """
    from kelvin_provision.checks.doctor import CHECKS
    from kelvin_provision.cli.commands.checking import listed

    return listed(COMMAND, CHECKS) if ids else doctor(session, skip=skip or [], strict=strict)


def doctor(session: Session, *, skip: list[str], strict: bool) -> Report:
    """Look at all of it."""
    from kelvin_provision.checks import doctor as checks
    from kelvin_provision.checks.configuration import tolerant
    from kelvin_provision.cli.commands.checking import answered
    from kelvin_provision.cli.frame.box import context_of, signals_noted

    found = tolerant(config=session.config, state_dir=session.state_dir, environ=os.environ, is_root=os.geteuid() == 0)
    with context_of(session, settings=found.settings) as ctx, signals_noted(hangup=True) as stop:
        lines = checks.run(ctx, found, skip=skip, stop=stop)
    return answered(COMMAND, lines, strict=strict)
