"""Trust documents are accepted: their files first, each durable, then their rows in the one commit that counts.

A power cut before the commit leaves files that no row names; the next acceptance writes over them.
"""

from __future__ import annotations

from collections.abc import Sequence

from kelvin_provision.context import Context
from kelvin_provision.errors import ProvisionError
from kelvin_provision.files.hashing import digest_of
from kelvin_provision.ledger import requests
from kelvin_provision.ledger.reading.trust import AcceptedTrust
from kelvin_provision.trust.believed import Trust
from kelvin_provision.trust.documents import kept
from kelvin_provision.trust.documents.accepting import checked, followed
from kelvin_provision.trust.documents.model import SignedDocument, Step
from kelvin_provision.usecases.bundles.trust.marking import mark


def accept(
    ctx: Context, before: int, steps: Sequence[Step], offered: Sequence[SignedDocument], *, origin: str, action: str = "bundle import"
) -> None:
    """Store documents that follow number `before`, and replace damaged files of those that were accepted before.

    Within a transaction it is a part of that one. Raises Locked if this box has come to believe another document meanwhile.
    """
    state_dir, now = ctx.settings.state_dir, ctx.ledger.clock()
    with ctx.ledger.writing():
        requests.refuse_moved(ctx.ledger, before)
        _mend(ctx, offered)
        for step in steps:
            kept.keep(state_dir, step.document.number, step.signed)
        accepted = [AcceptedTrust(step.document.number, step.signed.digest, step.signed_by, now, ctx.actor, origin) for step in steps]
        requests.accept_trust(ctx.ledger, accepted, action)
        if steps:
            mark(ctx, Trust(ctx.settings.trust, steps[-1].document))


def _mend(ctx: Context, offered: Sequence[SignedDocument]) -> None:
    """The content of a document is known by its digest; signatures are written only if they fit."""
    by_digest = {signed.digest: signed for signed in offered}
    rows = {accepted.number: accepted for accepted in (ctx.ledger.accepted_trust() if by_digest else ())}
    for number in sorted(rows):
        signed, there = by_digest.get(rows[number].digest), kept.signed_document(ctx.settings.state_dir, number)
        if signed is None or (there is not None and digest_of(there.content) == rows[number].digest):
            continue
        if _is_signed(ctx, signed, rows.get(number - 1)):
            kept.keep(ctx.settings.state_dir, number, signed)
        else:
            kept.mend(ctx.settings.state_dir, number, signed.content)


def _is_signed(ctx: Context, signed: SignedDocument, before: AcceptedTrust | None) -> bool:
    """As when it was accepted; the first one by its own root keys alone, because those of the site file may be others by now."""
    try:
        if before is None:
            return bool(checked((signed,)))
        return bool(followed(kept.load(ctx.settings.state_dir, before.number, before.digest), (signed,)).steps)
    except ProvisionError:
        return False
