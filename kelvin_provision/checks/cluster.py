"""Which cluster answers, why it was chosen, and whether it is the one that runs the workloads of the ledger."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from kelvin_provision.check_result import CheckFinding, error, ok, warning
from kelvin_provision.cluster.survey import ClusterState
from kelvin_provision.context import Context
from kelvin_provision.errors import ProvisionError
from kelvin_provision.hints import command
from kelvin_provision.spec.identity import identities

IDENTITY = "cluster.identity"
"""The key in the ledger: the cluster that was seen running our workloads."""
SHOW = command("config show", note="cluster.kubeconfig and where it comes from")


class ClusterIdentity(NamedTuple):
    """`running` are the workloads that should run, `there` those on the cluster; `remembered` is the identity of the cluster before.

    `of_other_store`: those whose container was made while Docker Engine had its other image store.
    """

    state: ClusterState
    why: str
    running: frozenset[str]
    there: frozenset[str]
    remembered: str | None
    of_other_store: frozenset[str] = frozenset()


def cluster_identity(ctx: Context, state: ClusterState) -> ClusterIdentity:
    """The identity of a cluster that runs our workloads is stored, so that another one is recognized later."""
    running = frozenset(ctx.ledger.running_names() if ctx.connections.has_ledger else ())
    there = frozenset(ctx.connections.cluster.observe()) if running else frozenset()
    remembered = ctx.ledger.fact(IDENTITY) if ctx.connections.has_ledger else None
    if running & there and state.identity and state.identity != remembered:
        with suppress(ProvisionError):  # the check `disk` reports a full disk
            ctx.ledger.remember(IDENTITY, state.identity)
        remembered = state.identity
    lost = _of_other_store(ctx, sorted(running - there)) if running else ()
    return ClusterIdentity(state, ctx.connections.choice.reason, running, there, remembered, frozenset(lost))


def _of_other_store(ctx: Context, names: Sequence[str]) -> Iterator[str]:
    """The objects of what should run have what Docker Engine called their images by when it made the containers."""
    for revision in filter(None, (workload.running for workload in ctx.ledger.each(names))):
        for lock in revision.locks or ():
            digests = {str(item["spec"].get("image")) for item in revision.objects or () if item["kind"] == "Container"}
            if identities(lock) & digests and ctx.runtime.info().identity.of(lock) not in digests:
                yield revision.workload


def right_cluster(identity: ClusterIdentity) -> Iterator[CheckFinding]:
    """`cluster`: it answers, and is the same as before."""
    info = identity.state.info
    what = f"{info.type} {info.version} at {identity.state.address}, node {info.node} ({identity.why})"
    if identity.of_other_store:
        names = tuple(sorted(identity.of_other_store))
        text = f"{what}: its image store was changed (containerd-snapshotter), so it does not have {', '.join(names)} any more"
        yield error(text, command("workloads start", names=names, instruction="change it back and restart Docker Engine, or"))
        return
    if not identity.running or identity.running & identity.there:
        lost = sorted(identity.running - identity.there)
        if lost:
            yield warning(
                f"{what}; it does not have {', '.join(lost)}, which should be running",
                command("workloads show", "--live", names=(lost[0],)),
            )
        else:
            yield ok(what)
        return
    lacks = (
        f"it does not have the workload {min(identity.running)}"
        if len(identity.running) == 1
        else f"it has none of the {len(identity.running)} workloads"
    )
    if identity.remembered and identity.remembered != identity.state.identity:
        yield error(f"{what}: this is not the cluster that runs our workloads, {lacks}", SHOW)
    else:
        yield warning(f"{what}: {lacks}; it may be another or a new cluster", SHOW)
