"""Observations of workloads, recorded in the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from kelvin_provision import timestamps
from kelvin_provision.context import Context
from kelvin_provision.errors import ProvisionError
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.status import Observation, Observed

CONFIRM_AFTER = timedelta(seconds=55)
"""An unchanged observation is written again after this time: less than the minute between two rounds of the agent."""


def observe(ctx: Context, names: Sequence[str], *, everything: bool = False) -> None:
    """Observe these workloads and record it. When the cluster does not answer, the last observation stays and is marked as old.

    An unchanged observation is not written: flash wears out. Where `everything` that runs is meant, one time for all that are unchanged is.
    """
    before, cluster = ctx.ledger.observations(names), ctx.cluster
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
    if changed or confirmed:
        ctx.ledger.observe(changed, confirmed=confirmed)


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
