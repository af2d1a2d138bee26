"""With what is signed: a key file, with its passphrase from a terminal or a file, or a command. Nothing secret is ever an argument."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from kelvin_provision.cli.frame import terminal
from kelvin_provision.cli.frame.declared import Option
from kelvin_provision.errors import FileUnreadable, KeyInvalid, UsageRefused

if TYPE_CHECKING:
    from kelvin_provision.trust.signing import PrivateKey, SignCommand

LARGEST = 4096
_SIGN_WITH = Option(
    "--sign-with",
    metavar="COMMAND",
    help="A command that signs: it gets what is signed on standard input and answers with the signature. The key is the public one then.",
)

Key = Annotated[Path | None, Option("--key", metavar="KEY", help="The private key; with --sign-with, the public one.")]
PassphraseFile = Annotated[Path | None, Option("--passphrase-file", metavar="FILE", help="The passphrase is the first line of this file.")]
SignWith = Annotated[str | None, _SIGN_WITH]


def signer(key: Path | None, sign_with: str | None, passphrase_file: Path | None) -> PrivateKey | SignCommand:
    """Raises UsageRefused, KeyInvalid."""
    if key is None:
        raise UsageRefused(
            "nothing to sign with", hint="name the file of the key: --key KEY, or --sign KEY for `bundle create` and `publish`"
        )
    from kelvin_provision.trust.key_files import private_key, public_key
    from kelvin_provision.trust.signing import SignCommand

    if sign_with is None:
        return private_key(key, passphrase_of(key, passphrase_file))
    return SignCommand(_words(sign_with), public_key(key))


def _words(text: str) -> tuple[str, ...]:
    """No shell reads them."""
    try:
        words = tuple(shlex.split(text))
    except ValueError:
        words = ()
    if not words:
        raise UsageRefused(f"--sign-with {text!r} is not a command")
    return words


def passphrase_of(key: Path, file: Path | None) -> str:
    """That of a key that has one; asked for at a terminal. Raises KeyInvalid, FileUnreadable."""
    from kelvin_provision.trust.key_files import is_protected

    if not is_protected(key):
        return ""
    if file is not None:
        return passphrase_in(file)
    if not terminal.is_terminal(sys.stdin):
        raise KeyInvalid(f"{key}: it needs its passphrase, and there is no terminal to ask on", hint="add --passphrase-file FILE")
    from kelvin_provision.cli.frame.confirm import secret

    return secret(f"Passphrase of {key}: ")


def new_passphrase(file: Path | None) -> str:
    """Empty for none, also where there is no terminal. Raises UsageRefused, FileUnreadable."""
    if file is not None:
        return passphrase_in(file)
    if not terminal.is_terminal(sys.stdin):
        return ""
    from kelvin_provision.cli.frame.confirm import secret

    passphrase = secret("Passphrase (empty for none): ")
    if passphrase and secret("Again: ") != passphrase:
        raise UsageRefused("the passphrases differ; nothing was made", hint="type the same one twice")
    return passphrase


def passphrase_in(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            line = opened.readline(LARGEST).decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or str(error)).lower() if isinstance(error, OSError) else "it is not text"
        raise FileUnreadable(f"{file}: {reason}") from error
    passphrase = line.rstrip("\r\n")
    if not passphrase:
        raise UsageRefused(f"the first line of {file} is empty", hint="write the passphrase there, or leave out --passphrase-file")
    return passphrase
