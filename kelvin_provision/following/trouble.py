"""What is wrong with a publication, or with reporting: recorded when it begins, changes its kind, or ends."""

from __future__ import annotations

from kelvin_provision.context import Context
from kelvin_provision.errors import ProvisionError
from kelvin_provision.ledger.rows import following
from kelvin_provision.ledger.rows.following import Followed, Trouble

LONGEST = 500
"""Characters of an error that are kept."""


def record_trouble(ctx: Context, reference: str, error: ProvisionError | None) -> None:
    """Since when this is wrong. What stands there already is not written again: a box that is offline for weeks writes once."""
    with ctx.ledger.reading() as db:
        known = following.publications(db).get(reference, Followed(reference)).trouble
    now = trouble_of(error, known, ctx.ledger.clock()) if error else None
    if now != known:
        with ctx.ledger.writing() as db:
            following.trouble(db, reference, now)


def trouble_of(error: ProvisionError, known: Trouble | None, now: str) -> Trouble:
    """Pure. The same error goes on; of trouble that passes, the first text stays, as times and ports in it change."""
    if known and known.code == error.code and error.temporary:
        return known
    text = "; ".join([str(error), *error.evidence])[:LONGEST]
    return Trouble(known.since if known and known.code == error.code else now, error.code, text)
