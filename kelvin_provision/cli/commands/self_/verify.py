"""Verify the signature of a package of this program."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from kelvin_provision.cli.commands.bundle.place import trust_of
from kelvin_provision.cli.frame.declared import Argument, Option
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report

_KEY = Option("--key", metavar="PUB", help="A public key; may be repeated.  [default: those of the role root, or trust.keys]")


def command(
    session: Session,
    file: Annotated[Path, Argument(metavar="FILE", help="The package; its signatures are in FILE.sig.")],
    *,
    key: Annotated[list[Path] | None, _KEY] = None,
) -> Report:
    """Verify the signature of a package of this program.

    Before it is installed, by the version that runs now: the self-extracting file, or the Debian package, with FILE.sig beside it, which
    `key sign FILE` makes. Every byte is read.
    """
    from kelvin_provision.trust.key_files import public_key
    from kelvin_provision.trust.release_files import release_file
    from kelvin_provision.trust.signed_files import verify_file

    release = release_file(file)
    done = verify_file(file, tuple(public_key(path) for path in key) if key else trust_of(session))
    about = f"version {release.version} for {release.architecture}, " if release.version else ""
    signers = [{"file": str(file), "name": signer.name, "key_id": signer.key_id} for signer in done.verified.signers]
    item = Item("program", str(file), "verified", f"{about}signed by {done.verified.text}, {done.digest}")
    more = {"signers": signers, "version": release.version, "architecture": release.architecture, "sha256": release.digest}
    return Report("self verify", (item,), more=more)
