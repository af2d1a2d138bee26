"""Launches the agent if none is alive: the service if it is installed, else a detached process."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from kelvin_provision.settings.model import Settings


def detached_agent(state_dir: Path, config: Path | None) -> list[str]:
    """The command line of a detached agent that works on the same box as this process."""
    return [sys.executable, "-m", "kelvin_provision", "agent", "run", "--until-empty", *same_box(state_dir, config)]


def same_box(state_dir: Path, config: Path | None) -> list[str]:
    """The arguments that make another process of ours work on the same box."""
    from kelvin_provision.settings.types import expanded

    arguments = ["--state-dir", str(state_dir)]
    if config is not None:
        arguments += ["--config", str(expanded(str(config)).absolute())]
    return arguments


class Launcher:
    """`command` is the command line of a detached agent, which must be alive within `patience` seconds (None: as long as a command waits).

    Every command has a launcher and few use it, so the agent's modules are imported only then.
    """

    def __init__(self, command: Sequence[str], *, patience: float | None = None) -> None:
        self._command = tuple(command)
        self._patience = patience

    def ensure(self, settings: Settings) -> tuple[str, ...]:
        """See context.AgentLauncher."""
        from kelvin_provision.agent.lifecycle.process import PATIENCE
        from kelvin_provision.agent.systemd import service
        from kelvin_provision.systemd.systemctl import Systemd

        patience = PATIENCE if self._patience is None else self._patience
        return service.ensure(Systemd.of(os.environ), settings.state_dir, self._command, settings, patience=patience)

    def survives_reboot(self, settings: Settings) -> bool:
        """See context.AgentLauncher."""
        from kelvin_provision.agent.systemd import service
        from kelvin_provision.systemd.systemctl import Systemd

        return service.looks_after(Systemd.of(os.environ), settings.state_dir)
