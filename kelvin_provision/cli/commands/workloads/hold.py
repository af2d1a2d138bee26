"""Hold workloads: nothing is applied until they are released."""

from __future__ import annotations

from typing import Annotated

from kelvin_provision.cli.frame.arguments import Names
from kelvin_provision.cli.frame.declared import Option
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report

_REASON = Option("--reason", metavar="TEXT", help="The reason; it is shown with the hold.")


def command(session: Session, *, name: Names, reason: Annotated[str, _REASON]) -> Report:
    """Hold workloads: nothing is applied until they are released.

    `apply` is refused (75) without --force, and the agent waits. Downloads, rollback, stop and undeploy are not affected. A
    workload can hold itself: by the annotation kelvin-provision/hold on any of its Kubernetes objects, or by a file
    /opt/kelvin/hold/reason (on Kubernetes in a host volume that is mounted at /opt/kelvin/hold).
    """
    return hold(session, name, reason)


def hold(session: Session, names: list[str], reason: str) -> Report:
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.usecases import hold as usecase

    with context_of(session) as ctx:
        result = usecase.hold(ctx, names, reason)
    return Report("workloads hold", tuple(Item("workload", name, "held", result.reason) for name in result.names))
