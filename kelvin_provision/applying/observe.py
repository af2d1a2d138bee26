"""Observations of workloads, recorded in the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from kelvin_provision import timestamps
from kelvin_provision.context import Context
from kelvin_provision.errors import ProvisionError
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.observation import Observation, Observed

CONFIRM_AFTER = timedelta(seconds=55)
"""An unchanged observation is written again after this time: less than the minute between two rounds of the agent."""


LOOKS = 3
"""How often the cluster is asked again because a change was done while it answered. The last answer is recorded as it is."""


def observe(ctx: Context, names: Sequence[str], *, everything: bool = False) -> None:
    """Observe these workloads and record it. When the cluster does not answer, the last observation stays and is marked as old.

    An unchanged observation is not written: flash wears out. Where `everything` that runs is meant, one time for all that are unchanged is.
    An answer from before a change that has ended since is not recorded, or it would stand until the next round.
    """
    looks = (_recorded(ctx, names, everything=everything, last=number == LOOKS) for number in range(1, LOOKS + 1))
    any(looks)  # until one is recorded


def _recorded(ctx: Context, names: Sequence[str], *, everything: bool, last: bool) -> bool:
    """False if nothing was recorded because more is known by now: look again."""
    known, cluster = ctx.ledger.known(names), ctx.cluster
    before = known.observations
    observed: dict[str, Observation]
    try:
        live = cluster.observe()
    except ProvisionError:
        observed = {name: replace(last, reachable=False) for name, last in before.items() if last}
    else:
        absent = Observation(Observed.ABSENT, seen=ctx.ledger.clock())
        observed = {name: live.get(name, absent) for name in before}
    changed = {name: now for name, now in observed.items() if _differs(before[name], now)}
    old = {name: now for name, now in observed.items() if name not in changed and _is_old(before[name], now)}
    confirmed = ""
    if everything and all(now.reachable for now in observed.values()):
        went_back = any(_went_back(before[name], now) for name, now in changed.items())
        confirmed = min(now.seen for now in observed.values()) if old or went_back else ""
    else:
        changed |= old
    if not changed and not confirmed:
        return True
    return ctx.ledger.observe(changed, confirmed=confirmed, known=None if last else known)


def unfinished_updates(ledger: Ledger, names: Sequence[str]) -> dict[str, str]:
    """Of workloads that came up, what a person has to do so that no pod of the previous version is left, as last observed."""
    observations = ledger.observations(names)
    return {name: seen.warnings[0] for name, seen in observations.items() if seen and seen.observed is Observed.DEPLOYING and seen.warnings}


def _differs(before: Observation | None, now: Observation) -> bool:
    """Whether it must be written: other content, or a time after this one, which a clock that went back has left."""
    return before is None or _content(before) != _content(now) or _went_back(before, now)


def _went_back(before: Observation | None, now: Observation) -> bool:
    return before is not None and _age(before, now) < timedelta(0)


def _is_old(before: Observation | None, now: Observation) -> bool:
    """Whether the last one is too old to be trusted."""
    return before is not None and _age(before, now) >= CONFIRM_AFTER


def _content(seen: Observation) -> tuple[object, ...]:
    return seen.observed, seen.warnings, seen.revision, seen.reachable, seen.hold


def _age(before: Observation, now: Observation) -> timedelta:
    return timestamps.parse(now.seen) - timestamps.parse(before.seen) if now.seen and before.seen else timedelta(0)
