"""Show the type and the id of a key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from kelvin_provision.cli.commands.key.signing import PassphraseFile, passphrase_of
from kelvin_provision.cli.frame.declared import Argument
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import SCHEMA, Line, Report


def command(
    session: Session,  # noqa: ARG001  (every command gets one)
    file: Annotated[Path, Argument(metavar="FILE", help="A private or a public key, in PEM.")],
    *,
    passphrase_file: PassphraseFile = None,
) -> Report:
    """Show the type and the id of a key.

    Of a private key, the public one is shown, too. The key id is the SHA-256 of the public key (DER): compare it before a box trusts the
    key.
    """
    from kelvin_provision.trust.key_files import shown

    result = shown(file, passphrase_of(file, passphrase_file))
    key, part = result.key, "private" if result.private else "public"
    words = f"{part} key{', with a passphrase' if result.protected else ''}"
    pem = key.pem.decode()
    document = {
        "schema": SCHEMA,
        "name": key.name,
        "type": key.type,
        "key_id": key.key_id,
        "private": result.private,
        "protected": result.protected,
        "public": pem,
    }
    rows = (f"{key.name}: {words}", f"  type    {key.type}", f"  key id  {key.key_id}", *(pem.splitlines() if result.private else ()))
    return Report("key show", lines=tuple(map(Line, rows)), document=document, names=(key.key_id,))
