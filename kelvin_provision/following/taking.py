"""A publication taken in: verified, the newest, and what of it is meant for this box staged; all of it in one commit, or nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from kelvin_provision.context import Context
from kelvin_provision.errors import (
    ImageNotFound,
    ProvisionError,
    PublicationDiffers,
    PublicationOlder,
    RegistryBusy,
    RegistryUnreachable,
    RequestRefused,
    SettingMissing,
    UsageRefused,
    hinted,
)
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.following import withdrawing
from kelvin_provision.following.fetching import fetch
from kelvin_provision.following.overview import mark_looked
from kelvin_provision.following.planning import Plan, is_new, plan
from kelvin_provision.following.reading import Believed, believed
from kelvin_provision.following.trouble import record_trouble
from kelvin_provision.hints import Hint, command
from kelvin_provision.leading import lease
from kelvin_provision.ledger import requests
from kelvin_provision.ledger.model.workloads import Revision
from kelvin_provision.ledger.rows import following
from kelvin_provision.ledger.rows.following import Followed, FollowedWorkload
from kelvin_provision.nodes.keys.roles import refuse_member
from kelvin_provision.refs import Reference
from kelvin_provision.usecases.deploy import store
from kelvin_provision.usecases.waking import wake

ACTOR = "follow "
"""Before the reference: who staged what was followed, in the history."""


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

    Raises SettingMissing where nothing is followed, UsageRefused for what is not; AgentSilent, and everything is stored then.
    """
    followed = ctx.settings.follow.publications
    _forget_others(ctx)
    if not followed:
        raise SettingMissing("this box follows no publication: follow.publications is not set", hint=_how_to_follow(ctx))
    if others := [reference for reference in references if reference not in followed]:
        raise UsageRefused(f"this box does not follow {others[0]}", hint=command("config show", "-o", "wide"))
    results = tuple(take(ctx, reference) for reference in references or followed)
    if any(result.staged or result.pruned for result in results):
        wake(ctx)
    return results


def _how_to_follow(ctx: Context) -> Hint:
    first = "" if ctx.settings.trust.keys else "set trust.keys to the keys of its publisher, then"
    return command("config set", "follow.publications", "REGISTRY/REPO:TAG", instruction=first, sudo=True)


def _forget_others(ctx: Context) -> None:
    with ctx.ledger.reading() as db:
        known = {*following.publications(db), *(each.reference for each in following.workloads(db).values())}
    follow = ctx.settings.follow
    kept = (*follow.publications, *([follow.report] if follow.report else []))
    if not known <= {*kept}:
        with ctx.ledger.writing() as db:
            following.forget(db, kept)


_HINTS = {
    ImageNotFound: "publish it at the desk, or correct follow.publications",
    RegistryUnreachable: "check the network; the agent asks again by itself",
    RegistryBusy: "nothing to do: the agent asks again",
    RequestRefused: "have it corrected and published again at the desk; nothing was stored",
}


def take(ctx: Context, reference: str) -> Taken:
    """One publication. What is wrong with it is recorded, and returned."""
    ctx = replace(ctx, actor=ACTOR + reference)
    try:
        with ctx.sanitizer.errors(), hinted(_HINTS):
            return _take(ctx, reference)
    except ProvisionError as error:
        record_trouble(ctx, reference, error)
        return Taken(reference, error=error)


def _take(ctx: Context, reference: str) -> Taken:
    refuse_member(ctx)
    lease.refuse_elsewhere(ctx.settings.state_dir, lambda: ctx.cluster)
    parsed = Reference.parse(reference)
    digest = ctx.source.digest(parsed)
    mark_looked(ctx.settings.state_dir, reference)
    offered = believed(ctx, fetch(ctx.source, parsed, digest))
    with ctx.ledger.reading() as db:
        _refuse_older(db, reference, offered)
    result = _stored(ctx, reference, offered, plan(ctx, reference, offered))
    pruned = withdrawing.prune(ctx, reference) if ctx.settings.follow.prune else ()
    return replace(result, pruned=pruned)


def _refuse_older(db: sqlite3.Connection, reference: str, offered: Believed) -> None:
    """Or another one with the same serial. No date is judged: the box may have no clock that is right.

    The one that it has now stays right where a key is trusted again whose own series had this serial, too.

    Raises PublicationOlder, PublicationDiffers.
    """
    serial = offered.publication.serial
    highest = following.highest_serial(db, reference, offered.trusted)
    if serial < highest:
        raise PublicationOlder(f"{reference} has the serial {serial}, and this box has had {highest} of a trusted key already")
    others = following.documents(db, reference, offered.trusted, serial) - {offered.document}
    current = following.publications(db).get(reference)
    if others and not (current and (current.serial, current.document) == (serial, offered.document)):
        raise PublicationDiffers(
            f"{reference} has two publications with the serial {serial}: this box has had {min(others)}, and now it is {offered.document}"
        )


def _stored(ctx: Context, reference: str, offered: Believed, planned: Plan) -> Taken:
    """Another process may have taken in a newer one meanwhile: whether this is the newest is asked again within the transaction."""
    publication, fresh = offered.publication, {request.name: request for request in planned.fresh}
    warnings = planned.warnings
    with ctx.ledger.writing() as db:
        _refuse_older(db, reference, offered)
        before = following.workloads(db)
        signed = {name: offered.signed(request) for name, request in fresh.items()}
        revisions, cancelled = store(ctx, planned.accepted.specs, signed) if fresh else ((), ())
        for revision in revisions:
            following.record_revision(db, revision.workload, revision.number, fresh[revision.workload].digest)
        for revision in planned.superseded:
            dropped = requests.drop_staged(ctx.ledger, revision.workload, actor=ctx.actor, number=revision.number)
            cancelled = (*cancelled, *requests.cancellations(dropped))
        for request in planned.own:
            if is_new(request, before) or before[request.name].reference != reference:
                following.bring(db, FollowedWorkload(request.name, reference, request.digest, publication.serial))
        following.count(db, reference, offered.key_ids, publication.serial, offered.document)
        following.forget_gone(db, reference, [request.name for request in publication.requests])
        withdrawn = withdrawing.record(ctx, db, reference, publication)
        _record_taken(ctx, db, _followed(reference, offered))
    dropped_names = tuple(revision.workload for revision in planned.superseded)
    return Taken(reference, publication.serial, offered.signers, revisions, dropped_names, withdrawn, warnings=(*warnings, *cancelled))


def _followed(reference: str, offered: Believed) -> Followed:
    publication = offered.publication
    taken = Followed(reference, offered.fetched.digest, publication.serial, offered.signers, publication.created)
    return replace(taken, document=offered.document)


def _record_taken(ctx: Context, db: sqlite3.Connection, taken: Followed) -> None:
    """When it was taken in first; the same again writes nothing."""
    known = following.publications(db).get(taken.reference, Followed(taken.reference))
    if replace(known, taken=None) != taken:
        is_same = replace(known, taken=None, trouble=None, document=taken.document) == taken  # its document may not have been kept yet
        following.take(db, replace(taken, taken=known.taken if is_same else ctx.ledger.clock()))
