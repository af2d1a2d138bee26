"""Whether a certificate still serves. Pure."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from kelvin_provision.tls.files import Chain

RENEW = 60
"""Days before its end at which a certificate of ours is made again."""


def missing_names(chain: Chain, names: Collection[str]) -> tuple[str, ...]:
    """Those that the certificate does not have. One that it has beyond them is no reason for another one."""
    has = set(chain.leaf.names)
    return tuple(name for name in names if name not in has)


def reason_to_issue(chain: Chain | None, authority: Chain | None, names: Collection[str], now: datetime) -> str:
    """Why this box needs another certificate; empty if it does not, or if its authority has ended and could not make a better one."""
    if chain is None or authority is None:
        return "there was none"
    if chain.certificates[-1].der != authority.leaf.der:
        return "it was made by another authority"
    if authority.leaf.days_left(now) <= 0:
        return ""
    if now < chain.leaf.begins:
        return f"it is not valid before {chain.leaf.begins:%Y-%m-%d}, by the clock of this box"
    if chain.leaf.days_left(now) < RENEW and chain.leaf.ends < authority.leaf.ends:
        return f"it had {max(chain.leaf.days_left(now), 0):.0f} days left"
    missing = missing_names(chain, names)
    return f"it lacked {', '.join(missing)}" if missing else ""
