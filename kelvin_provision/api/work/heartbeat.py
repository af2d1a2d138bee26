"""Heartbeats to systemd, which restarts a service that hangs."""

from __future__ import annotations

import asyncio

from kelvin_provision.api.work.box import Box
from kelvin_provision.context import Context
from kelvin_provision.systemd.notify import beat_every, notify


async def beat(box: Box) -> None:
    """Until it is cancelled. A beat has passed the event loop and the thread of the box: if one hangs, no request is answered."""
    every = beat_every()
    while every is not None:
        await box.ask(_alive)
        notify("WATCHDOG=1")
        await asyncio.sleep(every)


def _alive(_ctx: Context) -> None:
    pass
