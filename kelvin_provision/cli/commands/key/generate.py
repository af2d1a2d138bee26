"""Make a key pair for signing: NAME.key and NAME.pub."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from kelvin_provision.cli.commands.key.signing import PassphraseFile, new_passphrase
from kelvin_provision.cli.frame.declared import Argument, Option
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report


class KeyType(StrEnum):
    ED25519 = "ed25519"
    P256 = "p256"


_NAME = Argument(metavar="NAME", help="The name of the key, as people call it; or a path such as keys/anna.")
_TYPE = Option("--type", metavar="TYPE", help="ed25519, or p256 for ECDSA.")


def command(
    session: Session,  # noqa: ARG001  (every command gets one)
    name: Annotated[Path, _NAME],
    *,
    kind: Annotated[KeyType, _TYPE] = KeyType.ED25519,
    passphrase_file: PassphraseFile = None,
) -> Report:
    """Make a key pair for signing: NAME.key and NAME.pub.

    The private key is for its owner alone. At a terminal a passphrase for it is asked for. A box that trusts the key has NAME.pub in the
    setting trust.keys. An existing file is never overwritten.
    """
    from kelvin_provision.trust.key_files import generate

    passphrase = new_passphrase(passphrase_file)
    pair = generate(name, kind.value, passphrase)
    items = (
        Item("private key", str(pair.private), "made", "keep it secret" if passphrase else "without a passphrase: keep it secret"),
        Item("public key", str(pair.public), "made", f"{pair.key.type}, key id {pair.key.key_id}"),
    )
    return Report("key generate", items, more={"key_id": pair.key.key_id})
