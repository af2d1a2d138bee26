"""What a new trust document revokes is marked in the ledger, so that lists say it, and staging ends. An apply asks the document itself."""

from __future__ import annotations

from kelvin_provision.context import Context
from kelvin_provision.ledger.history import append
from kelvin_provision.ledger.model.operations import Entry
from kelvin_provision.ledger.model.workloads import Revision
from kelvin_provision.ledger.staging_state import Revoked, Unrevoked
from kelvin_provision.staging.image_names import names_here
from kelvin_provision.staging.revocation import why_revoked
from kelvin_provision.trust.believed import Trust
from kelvin_provision.trust.revocation import Provenance, why


def mark(ctx: Context, trust: Trust) -> None:
    """Every revision and bundle on this box, as the document says it, in the transaction that accepts the document."""
    with ctx.ledger.writing():
        known = ctx.ledger.bundles()
        ctx.ledger.revoke_bundles(
            [each.digest for each in known if why(trust, Provenance(bundle_signers=each.key_ids, bundle=each.digest))]
        )
        names = names_here(trust, lambda: ctx.store, ctx.ledger)
        for revision in ctx.ledger.each_revision():
            _mark(ctx, revision, why_revoked(trust, revision, names=names))


def _mark(ctx: Context, revision: Revision, reason: str) -> None:
    if reason == revision.revoked:
        return
    ctx.ledger.advance(revision, Revoked(reason) if reason else Unrevoked())
    outcome = "revoked" if reason else "not revoked any more"
    with ctx.ledger.writing() as db:
        append(db, Entry(ctx.ledger.clock(), ctx.actor, "trust", revision.workload, revision.number, outcome, reason))
