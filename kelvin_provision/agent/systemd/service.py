"""The agent as a systemd service: installed, removed, and started where a command needs an agent."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from kelvin_provision.agent.lifecycle import process
from kelvin_provision.agent.lifecycle.handover import successor_waits, terminate
from kelvin_provision.agent.lifecycle.identity import outdated
from kelvin_provision.agent.systemd import unit
from kelvin_provision.errors import ServiceFailed
from kelvin_provision.files.durable import private_folder
from kelvin_provision.settings.model import Settings
from kelvin_provision.systemd import installing
from kelvin_provision.systemd.environment import passed_on, program, withheld
from kelvin_provision.systemd.installing import Done, Service
from kelvin_provision.systemd.systemctl import Systemd

GOODBYE = 30.0
"""Seconds that a detached agent gets to end before the service replaces it; later it ends by itself."""
REPLACED = "the settings have changed: the agent was restarted"
LATER = "the settings have changed: the agent finishes its present work, then restarts with the new ones"
OUTDATED = "the settings have changed, and the agent works with the old ones until it is restarted (agent restart)"
SERVICE_OUTDATED = (
    "the agent works with other settings than this command: restart it (agent restart),"
    " or install it again (agent install) where they come from this session's environment"
)
FOLLOWS = "another agent is running; the service takes over when it ends"


def install(
    systemd: Systemd, state_dir: Path, arguments: Sequence[str], environ: Mapping[str, str], *, now: bool, handover: float = GOODBYE
) -> Done:
    """Write and enable the unit; with `now`, start it in place of a detached agent. May be repeated.

    Raises PermissionRefused, CannotWrite, ServiceFailed. A power cut leaves no unit or the whole unit.
    """
    private_folder(state_dir)  # the unit refers to it, and does not start without it

    def make_way() -> str:
        return "" if _ended(state_dir, handover) else FOLLOWS

    done = installing.install(systemd, described(state_dir, arguments, environ), now=now, make_way=make_way)
    return replace(done, warnings=(*withheld(environ, unit.NAME), *done.warnings))


def described(state_dir: Path, arguments: Sequence[str], environ: Mapping[str, str]) -> Service:
    """The units as `install` writes them."""
    ours = program()
    text = unit.render([*ours, "agent", "run", *arguments], state_dir, passed_on(environ, script=len(ours) == 1))
    return Service({unit.NAME: text, unit.STARTER: unit.render_starter(process.start_request_path(state_dir))})


def uninstall(systemd: Systemd) -> Done:
    """Stop the service and remove its unit. Does nothing without a unit. Raises as `install`."""
    done = installing.uninstall(systemd, unit.NAME, unit.STARTER)
    if done.outcome != "removed":
        return done
    return replace(done, warnings=("no agent runs now; the next deploy starts one that lives until a reboot",))


def starts_on_request(systemd: Systemd, state_dir: Path) -> bool:
    """Whether systemd starts the service for who writes the file that says so."""
    return looks_after(systemd, state_dir) and systemd.installed(unit.STARTER) is not None


def looks_after(systemd: Systemd, state_dir: Path) -> bool:
    """Whether the installed service is for this state directory."""
    return systemd.is_for(unit.NAME, state_dir)


def ensure(
    systemd: Systemd, state_dir: Path, command: Sequence[str], settings: Settings | None = None, *, patience: float = process.PATIENCE
) -> tuple[str, ...]:
    """Ensure that an agent with these settings is alive: the service if it is installed, else a detached one. Raises AgentSilent.

    Returns warnings. A detached agent with other settings is replaced; an agent that was started in another way is not.
    """
    agent = process.alive(state_dir)
    if agent is not None:
        if settings is None or not outdated(agent, settings):
            return ()
        if not agent.get("detached"):
            return (SERVICE_OUTDATED if looks_after(systemd, state_dir) else OUTDATED,)
        started = not successor_waits(state_dir) and process.ensure(state_dir, command, settings=settings, patience=patience)
        return (REPLACED if started else LATER,)
    if systemd.here and looks_after(systemd, state_dir):
        with suppress(ServiceFailed):  # with a masked or broken unit, a detached agent is better than none
            systemd.tell("start", unit.NAME)
            return ()
    process.ensure(state_dir, command, patience=patience)
    return ()


def _ended(state_dir: Path, timeout: float) -> bool:
    """End a detached agent, if there is one. It loses nothing."""
    agent = process.alive(state_dir)
    if agent is None:
        return True
    terminate(agent)
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if process.alive(state_dir) is None:
            return True
        time.sleep(0.1)
    return False
