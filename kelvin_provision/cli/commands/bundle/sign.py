"""Add a signature to a bundle, in place."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from kelvin_provision.cli.commands.bundle.place import compared
from kelvin_provision.cli.commands.key.signing import Key, PassphraseFile, SignWith, signer
from kelvin_provision.cli.frame.declared import Argument
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report

_PLACE = Argument(metavar="PLACE", help="The file of the bundle, its first part, or the folder that has it.")


def command(
    session: Session,  # noqa: ARG001  (of every command)
    place: Annotated[Path, _PLACE],
    *,
    key: Key = None,
    sign_with: SignWith = None,
    passphrase_file: PassphraseFile = None,
) -> Report:
    """Add a signature to a bundle, in place.

    For a second person, or a key that is not where the bundle was made. It changes nothing but the signatures, for which every bundle has
    room; one by the same key is replaced. Look at what you sign: `bundle inspect PLACE`.
    """
    from kelvin_provision.usecases.bundles.signing import add

    result = add(place, signer(key, sign_with, passphrase_file))
    items = (
        *(Item("signature", key_id[:12], "added") for key_id in result.added),
        Item("bundle", str(result.path), "signed", f"digest {compared(result.digest)}"),
    )
    more = {"digest": result.digest, "signers": list(result.signers), "path": str(result.path)}
    return Report("bundle sign", items, more={"bundle": more}, names=(result.digest,))
