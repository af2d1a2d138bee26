"""Show everything about one workload."""

from __future__ import annotations

from kelvin_provision.cli.frame.arguments import Live, Name
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Report


def command(
    session: Session,
    *,
    name: Name,
    live: Live = False,
) -> Report:
    """Show everything about one workload.

    With --json: the platform's own document with more keys. `images`: for each image the bytes that are here and where they came from
    (`source`: cache, containerd, bundle, network or cluster; `cached`, `taken`, `medium` and `fetched` in bytes), and during a download
    the rate and the seconds left. `orders`: the pending ones. `last_failure`: a line of the history with its `evidence`, or null.
    """
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.cli.render.workload import text
    from kelvin_provision.queries.workload import WorkloadRequest, workload

    with context_of(session) as ctx:
        result = workload(ctx, WorkloadRequest(name, live=live))
    return Report("workloads show", document=result.to_json(), text=text(result), names=(name,))
