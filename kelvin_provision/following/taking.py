"""A publication taken in: verified, the newest, and what of it is meant for this box staged; all of it in one commit, or nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from kelvin_provision.context import Context
from kelvin_provision.errors import ProvisionError, PublicationOlder, UsageRefused
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.following import withdrawing
from kelvin_provision.following.fetching import bodies, fetch
from kelvin_provision.following.reading import Believed, believed, requests_of, traits_of
from kelvin_provision.hints import command
from kelvin_provision.ledger import requests
from kelvin_provision.ledger.model import Revision, Workload
from kelvin_provision.ledger.rows import following
from kelvin_provision.ledger.rows.following import Followed, FollowedWorkload, Trouble
from kelvin_provision.publications.choosing import chosen
from kelvin_provision.publications.model import PublishedRequest
from kelvin_provision.refs import Reference
from kelvin_provision.spec.request.accept import Accepted
from kelvin_provision.usecases.deploy import refuse_unsupported, store
from kelvin_provision.usecases.waking import wake

ACTOR = "follow "
"""Before the reference: who staged what was followed, in the history."""
LONGEST = 500
"""Characters of an error that are kept."""


@dataclass(frozen=True)
class Taken:
    """What became of a publication in one turn. `staged` are new here; `dropped` were staged and are not published any more.

    `withdrawn` are workloads on this box that the publication takes back; `pruned` are those whose undeploy was ordered.
    """

    reference: str
    serial: int = 0
    signers: tuple[str, ...] = ()
    staged: tuple[Revision, ...] = ()
    dropped: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()
    pruned: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    error: ProvisionError | None = None

    def to_json(self) -> dict[str, Any]:
        """Without the error, whose form depends on who asks."""
        return {
            "reference": self.reference,
            "serial": self.serial,
            "signers": list(self.signers),
            "staged": [{"workload": revision.workload, "revision": revision.number} for revision in self.staged],
            "dropped": list(self.dropped),
            "withdrawn": list(self.withdrawn),
            "pruned": list(self.pruned),
            "warnings": list(self.warnings),
        }


def take_all(ctx: Context, references: Sequence[str] = ()) -> tuple[Taken, ...]:
    """These publications, or all that are followed. An error is that of its publication: it is recorded, and the others go on.

    Raises UsageRefused for what is not followed; AgentSilent, and everything is stored then.
    """
    followed = ctx.settings.follow.publications
    if others := [reference for reference in references if reference not in followed]:
        hint = command("config show", "-o", "wide") if followed else command("config set", "follow.publications", "REFERENCE", sudo=True)
        raise UsageRefused(f"this box does not follow {others[0]}", hint=hint)
    with ctx.ledger.writing() as db:
        following.forget(db, followed)
    results = tuple(take(ctx, reference) for reference in references or followed)
    if any(result.staged or result.pruned for result in results):
        wake(ctx)
    return results


def take(ctx: Context, reference: str) -> Taken:
    """One publication. What is wrong with it is recorded, and returned."""
    ctx = replace(ctx, actor=ACTOR + reference)
    try:
        with ctx.sanitizer.errors():
            return _take(ctx, reference)
    except ProvisionError as error:
        record_trouble(ctx, reference, error)
        return Taken(reference, error=error)


def record_trouble(ctx: Context, reference: str, error: ProvisionError | None) -> None:
    """Since when this is wrong; what stands there already is not written again, so that a box that is offline writes nothing."""
    with ctx.ledger.reading() as db:
        known = following.publications(db).get(reference, Followed(reference)).trouble
    text = "; ".join([str(error), *error.evidence])[:LONGEST] if error else ""
    if (known.code, known.text) == (error.code, text) if known and error else known is error is None:
        return
    since = known.since if known and error and known.code == error.code else ctx.ledger.clock()
    with ctx.ledger.writing() as db:
        following.trouble(db, reference, Trouble(since, error.code, text) if error else None)


def _take(ctx: Context, reference: str) -> Taken:
    parsed = Reference.parse(reference)
    found = believed(ctx, fetch(ctx.source, parsed, ctx.source.digest(parsed)))
    with ctx.ledger.reading() as db:
        _refuse_older(db, reference, found)
        before, brought = following.workloads(db), following.revisions(db)
    meant = chosen(found.publication, traits_of(ctx))
    own, warnings = _own(ctx, reference, meant, before)
    new = [request for request in own if _is_new(request, before)]
    runs = _running(ctx, new, brought)
    fresh = [request for request in new if request.name not in runs]
    checked = requests_of(ctx, fresh, bodies(ctx.source, parsed, fresh)) if fresh else Accepted(())
    refuse_unsupported(ctx.cluster, checked.specs) if fresh else None
    result = _stored(ctx, reference, found, own, fresh, checked, _superseded(runs, before, reference, brought))
    pruned = withdrawing.prune(ctx, reference) if ctx.settings.follow.prune else ()
    return replace(result, pruned=pruned, warnings=(*warnings, *checked.warnings, *result.warnings))


def _refuse_older(db: sqlite3.Connection, reference: str, found: Believed) -> None:
    """Raises PublicationOlder. No date is judged: the box may have no clock that is right."""
    highest = following.highest_serial(db, reference, found.key_ids)
    if found.publication.serial < highest:
        raise PublicationOlder(
            f"{reference} has the serial {found.publication.serial}, and this box has had {highest} of the same signer already"
        )


def _own(
    ctx: Context, reference: str, meant: Sequence[PublishedRequest], before: dict[str, FollowedWorkload]
) -> tuple[list[PublishedRequest], list[str]]:
    """Without the workloads of another publication that is followed: two would take turns. The first one keeps it."""
    own, warnings = [], []
    for request in meant:
        other = before[request.name].reference if request.name in before else reference
        if other != reference and other in ctx.settings.follow.publications:
            warnings.append(f"{request.name} is followed from {other} already, and not taken from {reference}")
        else:
            own.append(request)
    return own, warnings


def _is_new(request: PublishedRequest, before: dict[str, FollowedWorkload]) -> bool:
    """Whether another version was meant for this box before, or none: what failed here, or was removed here, does not come again."""
    return request.name not in before or before[request.name].digest != request.digest


def _running(ctx: Context, new: Sequence[PublishedRequest], brought: dict[tuple[str, int], str]) -> dict[str, Workload]:
    """Workloads that run what is published now, as after a publisher has gone back: there is nothing to be staged."""
    existing = ctx.ledger.existing([request.name for request in new])
    digests = {request.name: request.digest for request in new}
    return {
        name: workload
        for name, workload in existing.items()
        if workload.running and brought.get((name, workload.running.number)) == digests[name]
    }


def _superseded(
    runs: dict[str, Workload], before: dict[str, FollowedWorkload], reference: str, brought: dict[tuple[str, int], str]
) -> tuple[Revision, ...]:
    """Versions that this publication had staged, and has taken back for the one that runs."""
    staged = [workload.staged for workload in runs.values() if workload.staged and before[workload.name].reference == reference]
    return tuple(revision for revision in staged if (revision.workload, revision.number) in brought)


def _stored(
    ctx: Context,
    reference: str,
    found: Believed,
    own: Sequence[PublishedRequest],
    fresh: Sequence[PublishedRequest],
    checked: Accepted,
    superseded: Sequence[Revision],
) -> Taken:
    """Another process may have taken in a newer one meanwhile: whether this is the newest is asked again within the transaction."""
    publication, fetched = found.publication, found.fetched
    digests = {request.name: request.digest for request in fresh}
    with ctx.ledger.writing() as db:
        _refuse_older(db, reference, found)
        before = following.workloads(db)
        signed = {request.name: found.signed(request) for request in fresh}
        revisions, warnings = store(ctx, checked.specs, signed) if checked.specs else ((), ())
        for revision in revisions:
            following.record_revision(db, revision.workload, revision.number, digests[revision.workload])
        for revision in superseded:
            dropped = requests.drop_staged(ctx.ledger, revision.workload, actor=ctx.actor, number=revision.number)
            warnings = (*warnings, *requests.cancellations(dropped))
        for request in own:
            if _is_new(request, before) or before[request.name].reference != reference:
                following.bring(db, FollowedWorkload(request.name, reference, request.digest, publication.serial))
        following.count(db, reference, found.key_ids, publication.serial)
        following.forget_gone(db, reference, [request.name for request in publication.requests])
        withdrawn = withdrawing.record(ctx, db, reference, publication)
        _record_taken(ctx, db, Followed(reference, fetched.digest, publication.serial, found.signers, publication.created))
    names = tuple(revision.workload for revision in superseded)
    return Taken(reference, publication.serial, found.signers, revisions, names, withdrawn, warnings=warnings)


def _record_taken(ctx: Context, db: sqlite3.Connection, taken: Followed) -> None:
    """When it was taken in first; the same again writes nothing."""
    known = following.publications(db).get(taken.reference, Followed(taken.reference))
    if replace(known, taken=None) != taken:
        following.take(db, replace(taken, taken=ctx.ledger.clock()))
