"""Start staged versions beside the running ones, cut off from them, and take them away again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from kelvin_provision.cli.frame.arguments import All, OptionalNames
from kelvin_provision.cli.frame.declared import Option
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.frame.values.durations import Timeout, duration
from kelvin_provision.cli.render.report import Item, Report
from kelvin_provision.errors import UsageRefused
from kelvin_provision.hints import command as to_type

if TYPE_CHECKING:
    from kelvin_provision.ledger.model.workloads import Rehearsal, Workload
    from kelvin_provision.rehearsing.rehearse import RehearseRequest

COMMAND = "workloads rehearse"

_FOR = duration("--for", "How long they must stay up.  [default: apply.settle]")
_NETWORK = Option("--allow-network", help="Do not cut them off from the network: they may reach real machines.")
_VOLUMES = Option("--real-volumes", metavar="ro", help="Let them read their own volumes (ro: read-only) instead of empty ones.")
_JOBS = Option("--jobs", help="Run Jobs, too.")


def command(
    session: Session,
    *,
    name: OptionalNames,
    every: All = False,
    hold: Annotated[float | None, _FOR] = None,
    timeout: Timeout = None,
    allow_network: Annotated[bool, _NETWORK] = False,
    real_volumes: Annotated[str | None, _VOLUMES] = None,
    jobs: Annotated[bool, _JOBS] = False,
) -> Report:
    """Start staged versions beside the running ones, cut off from them, and take them away again.

    Each must come up by its own probes and stay up, with empty volumes and without network, ports and service account. What runs is
    not touched. The result is shown by show, check and list until another version is staged.

    A version that uses devices, privileges or the network of the host cannot be rehearsed; neither can one on a cluster that does
    not enforce network policies, without --allow-network. Exit code 1 for a version that failed or could not be rehearsed; 75 if a
    change began meanwhile, which ends the rehearsal.

    Of plain Kubernetes objects, each Deployment, StatefulSet and DaemonSet gets one pod; custom resources are tried in a dry run.
    """
    if bool(name) == every:
        raise UsageRefused("give the workloads: NAME..., or --all", hint=to_type("workloads list", "--staged"))
    if real_volumes not in {None, "ro"}:
        raise UsageRefused(f"--real-volumes takes ro, not {real_volumes}: a rehearsal never writes to real data")
    from kelvin_provision.rehearsing.rehearse import RehearseRequest

    return rehearse(session, RehearseRequest(tuple(name or ()), hold, timeout, allow_network, real_volumes == "ro", jobs))


def rehearse(session: Session, request: RehearseRequest) -> Report:
    from kelvin_provision.cli.frame.box import operating
    from kelvin_provision.errors import RehearsalFailed
    from kelvin_provision.rehearsing import rehearse as usecase
    from kelvin_provision.status import RehearsalOutcome
    from kelvin_provision.usecases.operation import command_line

    with operating(session) as ctx:
        result = usecase.rehearse(ctx, request, command_line("rehearse", request.names))
    items = tuple(_item(workload, rehearsal) for workload, rehearsal in result.rehearsals)
    bad = [rehearsal for _, rehearsal in result.rehearsals if rehearsal.outcome is not RehearsalOutcome.OK]
    refusal = None
    if bad:
        text = "; ".join(f"{rehearsal.workload}: {rehearsal}" for rehearsal in bad)
        hint = to_type("workloads show", names=(bad[0].workload,))
        refusal = RehearsalFailed(text, hint=hint, evidence=[line for rehearsal in bad for line in rehearsal.evidence])
    return Report(COMMAND, items, warnings=result.warnings, refusal=refusal)


def _item(workload: Workload, rehearsal: Rehearsal) -> Item:
    spec = (workload.staged or workload.shown).spec
    reason = f": {rehearsal.reason}" if rehearsal.reason else ""
    return Item("workload", workload.name, rehearsal.outcome.value, f"{spec.app_name} {spec.app_version}{reason}")
