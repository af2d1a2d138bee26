"""Launches the agent if none is alive: the service if it is installed, else a detached process."""

from __future__ import annotations

import os
from collections.abc import Sequence

from kelvin_provision.settings.model import Settings


class Launcher:
    """`command` is the command line of a detached agent; the front end knows it.

    Every command has a launcher and few use it, so the agent's modules are imported only then.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = tuple(command)

    def ensure(self, settings: Settings) -> tuple[str, ...]:
        """See context.AgentLauncher."""
        from kelvin_provision.agent.systemd import service

        return service.ensure(service.Systemd.of(os.environ), settings.state_dir, self._command, settings)

    def survives_reboot(self, settings: Settings) -> bool:
        """See context.AgentLauncher."""
        from kelvin_provision.agent.systemd import service

        return service.looks_after(service.Systemd.of(os.environ), settings.state_dir)
