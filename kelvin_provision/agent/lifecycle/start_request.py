"""Asking for an agent without being able to start one: a confined service changes a file, and systemd starts the agent's own service."""

from __future__ import annotations

import os
import time

from kelvin_provision.agent.lifecycle import process
from kelvin_provision.agent.systemd.service import looks_after, starts_on_request
from kelvin_provision.errors import AgentSilent
from kelvin_provision.files.durable import open_own, writing_to
from kelvin_provision.hints import command
from kelvin_provision.settings.model import Settings
from kelvin_provision.systemd.systemctl import Systemd

TICK = 0.05


class AskingLauncher:
    """An agent must be alive within `patience` seconds. Its settings are not compared with ours: a confined process sees no kubeconfig."""

    def __init__(self, patience: float) -> None:
        self._patience = patience

    def ensure(self, settings: Settings) -> tuple[str, ...]:
        """See context.AgentLauncher."""
        state = settings.state_dir
        if process.alive(state) is not None:
            return ()
        if not starts_on_request(Systemd(), state):
            raise AgentSilent(
                "no agent is running, and the service of the API can only have one started that is a service, too",
                hint=command("agent install", sudo=True),
            )
        path = process.start_request_path(state)
        with writing_to(path):
            os.close(open_own(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC))  # systemd looks when it is closed
        deadline = time.monotonic() + self._patience
        while time.monotonic() < deadline:
            if process.alive(state) is not None:
                return ()
            time.sleep(TICK)
        raise AgentSilent("no agent is running, and systemd has not started one in time", hint=command("agent start", sudo=True))

    def survives_reboot(self, settings: Settings) -> bool:
        """See context.AgentLauncher."""
        return looks_after(Systemd(), settings.state_dir)
