"""What a publication that is believed would change on this box. Nothing is stored."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from kelvin_provision.context import Context
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.following.fetching import bodies
from kelvin_provision.following.reading import Believed, requests_of, traits_of
from kelvin_provision.ledger.model.workloads import Revision, Workload
from kelvin_provision.ledger.rows import following
from kelvin_provision.ledger.rows.following import FollowedWorkload
from kelvin_provision.nodes.where.site import members
from kelvin_provision.publications.choosing import chosen
from kelvin_provision.publications.model import PublishedRequest
from kelvin_provision.refs import Reference
from kelvin_provision.spec.request.accept import Accepted
from kelvin_provision.usecases.deploy import refuse_unsupported

Brought = Mapping[tuple[str, int], str]
"""By workload and revision the digest of the request that it was accepted from."""


@dataclass(frozen=True)
class Plan:
    """`own` is what this box has of the publication; `fresh` is to be staged, as `accepted`.

    `superseded` are staged versions that the publication has taken back for the one that runs.
    """

    own: tuple[PublishedRequest, ...]
    fresh: tuple[PublishedRequest, ...] = ()
    accepted: Accepted = Accepted(())
    superseded: tuple[Revision, ...] = ()
    warnings: tuple[str, ...] = ()


def plan(ctx: Context, reference: str, offered: Believed) -> Plan:
    """Raises what a deploy raises, PublicationInvalid, and errors of the registry."""
    with ctx.ledger.reading() as db:
        before, brought = following.workloads(db), following.revisions(db)
    own, others = _own(ctx, reference, chosen(offered.publication, traits_of(ctx)), before)
    new = [request for request in own if is_new(request, before)]
    runs = _running(ctx, new, brought)
    fresh = tuple(request for request in new if request.name not in runs)
    if not fresh:
        return Plan(own, superseded=_superseded(runs.values(), reference, before, brought), warnings=others)
    accepted = requests_of(ctx, fresh, bodies(ctx.source, Reference.parse(reference), fresh))
    refuse_unsupported(ctx.cluster, accepted.specs, members(ctx))
    superseded = _superseded(runs.values(), reference, before, brought)
    return Plan(own, fresh, accepted, superseded, (*others, *accepted.warnings))


def is_new(request: PublishedRequest, before: Mapping[str, FollowedWorkload]) -> bool:
    """Whether another version was meant for this box before, or none: what failed here, or was removed here, does not come again."""
    return request.name not in before or before[request.name].digest != request.digest


def _own(
    ctx: Context, reference: str, meant: Sequence[PublishedRequest], before: Mapping[str, FollowedWorkload]
) -> tuple[tuple[PublishedRequest, ...], tuple[str, ...]]:
    """Without the workloads of another publication that is followed: two would take turns. The first one keeps it."""
    own, warnings = [], []
    for request in meant:
        other = before[request.name].reference if request.name in before else reference
        if other != reference and other in ctx.settings.follow.publications:
            warnings.append(f"{request.name} is followed from {other} already, and not taken from {reference}")
        else:
            own.append(request)
    return tuple(own), tuple(warnings)


def _running(ctx: Context, new: Sequence[PublishedRequest], brought: Brought) -> dict[str, Workload]:
    """Workloads that run what is published now, as after a publisher has gone back: there is nothing to be staged."""
    digests = {request.name: request.digest for request in new}
    existing = ctx.ledger.existing(tuple(digests)) if digests else {}
    return {
        name: workload
        for name, workload in existing.items()
        if workload.running and brought.get((name, workload.running.number)) == digests[name]
    }


def _superseded(
    running: Collection[Workload], reference: str, before: Mapping[str, FollowedWorkload], brought: Brought
) -> tuple[Revision, ...]:
    own = {name for name, each in before.items() if each.reference == reference}
    staged = [workload.staged for workload in running if workload.staged and workload.name in own]
    return tuple(revision for revision in staged if (revision.workload, revision.number) in brought)
