"""Show whose signatures count here, and what is revoked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from kelvin_provision.cli.frame.declared import Argument
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import SCHEMA, Line, Report

if TYPE_CHECKING:
    from kelvin_provision.trust.documents.model import TrustDocument

_FILE = Argument(metavar="[FILE]", help="A trust document: shows what is in it, without verifying it.")


def command(session: Session, file: Annotated[Path | None, _FILE] = None) -> Report:
    """Show whose signatures count here, and what is revoked.

    By the newest trust document that this box has accepted, or by trust.keys before the first (number 0). With a file: what is in it, for
    those who are to sign it.
    """
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.trust.documents import loose, reading
    from kelvin_provision.usecases.bundles.trust.showing import believed, document_to_json

    if file is not None:
        document: TrustDocument | None = reading.decode(loose.content(file))
    else:
        with context_of(session) as ctx:
            document = believed(ctx)
    lines = tuple(map(Line, _lines(document)))
    return Report("trust show", lines=lines, document={"schema": SCHEMA, "trust": document_to_json(document)})


def _lines(document: TrustDocument | None) -> Iterator[str]:
    from kelvin_provision.trust.documents.model import ROLES

    if document is None:
        yield "no trusted keys: nothing has to be signed"
        return
    yield f"number    {document.number}{' (trust.keys)' if document.number == 0 else ''}"
    for name in ROLES:
        role = document.role(name)
        yield f"{name:<10}{f'{role.threshold} of {len(role.keys)} must sign' if role else 'no key: nothing signed counts'}"
        for key in role.keys if role else ():
            yield f"          {key.name}  {key.type}  {key.key_id}"
    revoked = document.revoked
    for what, entries in (("keys", revoked.keys), ("bundles", revoked.bundles), ("images", revoked.images)):
        yield f"revoked   {what}: {len(entries) or 'none'}"
        for entry in entries:
            yield f"          {entry}"
