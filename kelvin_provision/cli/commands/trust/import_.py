"""Accept trust documents on this box, without a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from kelvin_provision.cli.frame.declared import Argument
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report

_FILES = Argument(metavar="FILE...", help="Trust documents, each with FILE.sig beside it: every one from the next number on.")


def command(session: Session, file: Annotated[list[Path], _FILES]) -> Report:
    """Accept trust documents on this box, without a bundle.

    All of them, or none. Each must be one number higher than the one before, and signed by as many root keys of both as they ask for.
    Signatures decide; who types this does not count.
    """
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.usecases.bundles.trust.importing import ImportTrustRequest, import_documents

    with context_of(session) as ctx:
        result = import_documents(ctx, ImportTrustRequest(tuple(file)))
    items = [
        Item("trust document", str(step.document.number), "accepted", f"{step.signed.digest}, signed by {', '.join(step.signed_by)}")
        for step in result.steps
    ] or [Item("trust document", str(result.number), "known", "this box believes it already")]
    return Report("trust import", tuple(items), more={"trust": result.to_json()}, names=tuple(item.name for item in items))
