"""Make a new certificate for the API."""

from __future__ import annotations

from typing import Annotated

from kelvin_provision.cli.frame.arguments import Yes
from kelvin_provision.cli.frame.declared import Option
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report

_AUTHORITY = Option("--authority", help="Also make a new authority, which every client must trust: for when the key became known.")


def command(session: Session, *, authority: Annotated[bool, _AUTHORITY] = False, yes: Yes = False) -> Report:
    """Make a new certificate for the API.

    That happens by itself when 60 days are left, and when the box has other addresses or names. The API uses it within a minute,
    without a restart. --authority asks for confirmation, and is refused without --yes where there is no terminal to ask on.
    """
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.cli.frame.confirm import confirm
    from kelvin_provision.usecases import api_certificate

    if authority:
        confirm("every client that trusts the authority of this box must be given the new one", yes=yes)
    with context_of(session) as ctx:
        made = api_certificate.renew(ctx, authority=authority)
    items = [Item("certificate", made.chain.leaf.fingerprint, "made", f"valid until {made.chain.leaf.ends:%Y-%m-%d}")]
    if authority and made.authority:
        items.append(Item("authority", made.authority.leaf.fingerprint, "made", f"valid until {made.authority.leaf.ends:%Y-%m-%d}"))
    return Report("api cert renew", tuple(items))
