"""Start stopped workloads again and wait until they run."""

from __future__ import annotations

from kelvin_provision.cli.frame.arguments import Names
from kelvin_provision.cli.frame.durations import Timeout, flags, patient
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report


def command(session: Session, *, name: Names, timeout: Timeout = None) -> Report:
    """Start stopped workloads again and wait until they run.

    The same version with the same data; what is staged stays staged. One that does not come up is left started, and the
    cluster goes on trying.
    """
    return start(session, name, timeout=timeout)


def start(session: Session, names: list[str], *, timeout: float | None) -> Report:
    """Start under the operator lock."""
    from kelvin_provision.applying import life
    from kelvin_provision.cli.frame.box import node_of, settings_of, signals_noted
    from kelvin_provision.cli.render.progress import choose

    settings = patient(settings_of(session), timeout)
    with choose(session) as progress, node_of(session, progress=progress, settings=settings) as node, signals_noted() as stop:
        node.ledger.workloads(names)
        with node.changing(f"workloads start {flags(names)}"):
            done = life.start(node.tools, names, stop)
            found = node.ledger.workloads(names)
    items = [
        Item("workload", workload.name, "running", f"{workload.shown.spec.app_name} {workload.shown.spec.app_version}")
        if workload.name in done
        else Item("workload", workload.name, "unchanged", "it runs already")
        for workload in found
    ]
    return Report("workloads start", tuple(items))
