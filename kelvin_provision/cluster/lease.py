"""Which box may change things on a cluster that several could change, as a value. Pure."""

from __future__ import annotations

from typing import NamedTuple


class Lease(NamedTuple):
    """`holder` may change things; empty while it is free. `term` counts how often it changed hands; `renewed` is RFC 3339, by its clock.

    It does not expire: a leader that is gone for a week is still the leader until a person moves the lead.
    """

    holder: str = ""
    term: int = 0
    renewed: str = ""


def taken(lease: Lease, holder: str, *, term: int, over: str, now: str) -> Lease | None:
    """The lease after `holder` takes or renews it; None where another one has it, other than `over`, which a person has deposed."""
    if lease.holder == holder:
        return lease._replace(renewed=now)
    if lease.holder in {"", over}:
        return Lease(holder, max(term, lease.term + 1), now)
    return None
