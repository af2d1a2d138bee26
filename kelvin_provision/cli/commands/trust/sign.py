"""Sign trust documents: FILE.sig beside each file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from kelvin_provision.cli.commands.key.signing import Key, PassphraseFile, SignWith, signer
from kelvin_provision.cli.frame.declared import Argument, Option
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report


def command(
    session: Session,  # noqa: ARG001  (every command gets one)
    file: Annotated[list[Path], Argument(metavar="FILE...", help="Trust documents, as `trust create` made them.")],
    *,
    key: Key = None,
    sign_with: SignWith = None,
    passphrase_file: PassphraseFile = None,
    replace: Annotated[bool, Option("--replace", help="Leave out the signatures that are there.")] = False,
) -> Report:
    """Sign trust documents: FILE.sig beside each file.

    Signatures of other keys that are there stay: each person signs in turn. Look at what you sign: `trust show FILE`.
    """
    from kelvin_provision.trust.documents import loose

    by = signer(key, sign_with, passphrase_file)
    signed = [loose.sign(path, by, replace=replace) for path in file]
    items = tuple(Item("trust document", str(each.path), "signed", f"in {each.signatures}, {each.digest}") for each in signed)
    return Report("trust sign", items, more={"key_id": signed[0].key_id})
