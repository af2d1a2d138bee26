"""Show what an apply would change, and change nothing."""

from __future__ import annotations

from kelvin_provision.cli.frame.arguments import All, OptionalNames
from kelvin_provision.cli.frame.dry_run import ExitCode, staged
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Report
from kelvin_provision.errors import UsageRefused
from kelvin_provision.hints import command as to_type


def command(
    session: Session,
    *,
    name: OptionalNames,
    every: All = False,
    exit_code: ExitCode = False,
) -> Report:
    """Show what an apply would change, and change nothing.

    Versions, images with sizes, expected downtime, every field of every object, and what others have changed on the cluster. If
    something prevents the apply, it ends with the error that the apply would end with. It needs no internet.

    Values of secrets and variables are not shown, only whether they change.
    """
    if bool(name) == every:
        raise UsageRefused("give the workloads: NAME..., or --all", hint=to_type("workloads list", "--staged"))
    return staged(session, name or (), "workloads diff", exit_code=exit_code)
