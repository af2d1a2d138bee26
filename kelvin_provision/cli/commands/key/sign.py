"""Sign requests: FILE.sig beside each file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from kelvin_provision.cli.commands.key.signing import Key, PassphraseFile, SignWith, signer
from kelvin_provision.cli.frame.declared import Argument, Option
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report


def command(
    session: Session,  # noqa: ARG001  (every command gets one)
    file: Annotated[list[Path], Argument(metavar="FILE...", help="The requests, exactly as they will be deployed.")],
    *,
    key: Key = None,
    sign_with: SignWith = None,
    passphrase_file: PassphraseFile = None,
    replace: Annotated[bool, Option("--replace", help="Leave out the signatures that are there.")] = False,
) -> Report:
    """Sign requests: FILE.sig beside each file.

    The signature is over the exact bytes of the file: after a change it has to be signed again. Signatures of other keys that are there
    stay. A package of this program is signed in the same way, for `self verify`. Bundles are signed by `bundle create` and `bundle sign`.
    """
    from kelvin_provision.trust.signed_files import sign_file

    by = signer(key, sign_with, passphrase_file)
    signed = [sign_file(path, by, replace=replace) for path in file]
    items = tuple(Item(each.kind, str(each.path), "signed", f"in {each.signatures}, {each.digest}") for each in signed)
    return Report("key sign", items, more={"key_id": signed[0].key_id})
