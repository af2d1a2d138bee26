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


def observe(ctx: Context, names: Sequence[str]) -> None:
    """Observe these workloads and record it. When the cluster does not answer, the last observation stays and is marked as old.

    An unchanged observation is not written: flash wears out.
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
    changed: dict[str, Observation | None] = {name: now for name, now in observed.items() if _is_news(before[name], now)}
    if changed:
        ctx.ledger.observe(changed)


def unfinished_updates(ledger: Ledger, names: Sequence[str]) -> dict[str, str]:
    """Of workloads that came up, what a person has to do so that no pod of the previous version is left, as last observed."""
    observations = ledger.observations(names)
    return {name: seen.warnings[0] for name, seen in observations.items() if seen and seen.observed is Observed.DEPLOYING and seen.warnings}


def _is_news(before: Observation | None, now: Observation) -> bool:
    """Whether it differs, or the last one is too old to be trusted. A clock that went back makes it old."""
    if before is None or replace(before, seen=now.seen) != now:
        return True
    age = timestamps.parse(now.seen) - timestamps.parse(before.seen) if now.seen and before.seen else None
    return age is not None and not timedelta(0) <= age < CONFIRM_AFTER
