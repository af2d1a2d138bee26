"""Apply staged workloads, all or none, and wait until they run."""

from __future__ import annotations

from typing import Annotated

import typer

from kelvin_provision.cli.complete import workload_names
from kelvin_provision.cli.session import Session
from kelvin_provision.errors import UsageRefused
from kelvin_provision.report import Report

_NAME = typer.Option("-n", "--name", metavar="NAME", help="The workload; may be repeated.", autocompletion=workload_names)
_TIMEOUT = typer.Option("--timeout", metavar="SECONDS", min=0, help="How long they may take to run; apply.timeout unless told.")
_BACK = typer.Option(
    "--rollback-timeout", metavar="SECONDS", min=0, help="How long the way back may take; apply.rollback_timeout unless told."
)


def command(
    session: Session,
    *,
    name: Annotated[list[str] | None, _NAME] = None,
    every: Annotated[bool, typer.Option("--all", help="Everything that is staged.")] = False,
    timeout: Annotated[float | None, _TIMEOUT] = None,
    rollback_timeout: Annotated[float | None, _BACK] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change and touch nothing.")] = False,
) -> Report:
    """Apply staged workloads, all or none, and wait until they run.

    It needs no internet. When one of them does not come up, all go back to what ran before.
    """
    if bool(name) == every:
        raise UsageRefused("say which workloads: --name NAME, or --all", hint="kelvin-provision workloads list --staged")
    return apply(session, name or None, timeout=timeout, rollback_timeout=rollback_timeout, dry_run=dry_run)


def apply(session: Session, names: list[str] | None, *, timeout: float | None, rollback_timeout: float | None, dry_run: bool) -> Report:
    """The one call. `names` is None for everything staged."""
    raise NotImplementedError(session, names, timeout, rollback_timeout, dry_run)  # lead
