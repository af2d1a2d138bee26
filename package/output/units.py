"""The systemd units of a package: those that `agent install` and `api install` would write on a box with the usual settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from kelvin_provision.agent.lifecycle import process
from kelvin_provision.agent.systemd import unit
from kelvin_provision.api_service import units
from kelvin_provision.settings.model import ApiSettings

STATE = Path("/var/lib/kelvin-provision")


def rendered(home: str) -> Mapping[str, str]:
    """By name. `home` is the folder in which the trees lie."""
    binaries, state = f"{home}/current/bin", ["--state-dir", str(STATE)]
    api = units.Installation(
        [f"{binaries}/python", "-P", "-m", "kelvin_provision.api", *state, "--agent", "asked"], STATE, ApiSettings().listen
    )
    agent = unit.render([f"{binaries}/kelvin-provision", "agent", "run", *state], STATE, {})
    return {unit.NAME: agent, unit.STARTER: unit.render_starter(process.start_request_path(STATE)), **units.render(api)}
