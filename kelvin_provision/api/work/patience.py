"""How long the API and its child processes wait for others: less than every client waits for an answer."""

from __future__ import annotations

from dataclasses import replace

from kelvin_provision.connections import Wiring

AGENT = 4.0
"""Seconds in which an agent that is started must be alive."""
LEDGER = 2.0
"""Seconds to wait for another writer of the ledger."""


def hurried(wiring: Wiring) -> Wiring:
    return replace(wiring, timings=replace(wiring.timings, ledger_busy=LEDGER))
