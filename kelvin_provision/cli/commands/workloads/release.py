"""Release workloads that a person holds."""

from __future__ import annotations

from kelvin_provision.cli.frame.arguments import Names
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report


def command(session: Session, *, name: Names) -> Report:
    """Release workloads that a person holds.

    Applies that waited for the release continue. A hold that a workload places on itself stays.
    """
    return release(session, name)


def release(session: Session, names: list[str]) -> Report:
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.usecases import hold as usecase

    with context_of(session) as ctx:
        result = usecase.release(ctx, names)
    items = (
        Item("workload", name, *(("released", hold.reason) if hold else ("unchanged", "it was not held"))) for name, hold in result.released
    )
    return Report("workloads release", tuple(items), warnings=tuple(f"{name} is still {hold}" for name, hold in result.remaining))
