"""Start stopped workloads again and wait until they run."""

from __future__ import annotations

from kelvin_provision.cli.frame.arguments import Names
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.frame.values.durations import Timeout
from kelvin_provision.cli.render.report import Item, Report


def command(session: Session, *, name: Names, timeout: Timeout = None) -> Report:
    """Start stopped workloads again and wait until they run.

    The same version starts with the same data; what is staged stays staged. A workload that does not come up stays started, and
    the cluster keeps trying.
    """
    return start(session, name, timeout=timeout)


def start(session: Session, names: list[str], *, timeout: float | None) -> Report:
    from kelvin_provision.cli.frame.box import operating
    from kelvin_provision.usecases import start_stop

    with operating(session) as ctx:
        result = start_stop.start(ctx, names, timeout=timeout)
    items = tuple(
        Item("workload", workload.name, "running", f"{workload.shown.spec.app_name} {workload.shown.spec.app_version}")
        if workload.name in result.changed
        else Item("workload", workload.name, "unchanged", "it runs already")
        for workload in result.workloads
    )
    return Report("workloads start", items, warnings=result.warnings)
