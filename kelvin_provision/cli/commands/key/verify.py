"""Verify the signatures of requests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from kelvin_provision.cli.commands.bundle.place import trust_of
from kelvin_provision.cli.frame.declared import Argument, Option
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report

if TYPE_CHECKING:
    from kelvin_provision.trust.verifying import Verified

_KEY = Option("--key", metavar="PUB", help="A public key; may be repeated.  [default: trust.keys]")


def command(
    session: Session,
    file: Annotated[list[Path], Argument(metavar="FILE...", help="Requests; the signatures of each are in FILE.sig.")],
    *,
    key: Annotated[list[Path] | None, _KEY] = None,
) -> Report:
    """Verify the signatures of requests.

    Against the keys that this box trusts, or against others. Fails unless each file is signed with at least one of them, or with as many as
    the trust document of this box asks for, and no signature of these keys is wrong.
    """
    from kelvin_provision.trust.key_files import public_key
    from kelvin_provision.trust.signed_files import verify_file

    by = tuple(public_key(path) for path in key) if key else trust_of(session)
    results = [verify_file(path, by) for path in file]
    items = tuple(Item(each.kind, str(each.path), "verified", f"{_signed(each.verified)}, {each.digest}") for each in results)
    signers = [
        {"file": str(each.path), "name": signer.name, "key_id": signer.key_id} for each in results for signer in each.verified.signers
    ]
    return Report("key verify", items, more={"signers": signers})


def _signed(verified: Verified) -> str:
    unknown = verified.unknown
    others = f", and with {unknown} unknown key{'s' if unknown > 1 else ''}" if unknown else ""
    return f"signed by {verified.text}{others}"
