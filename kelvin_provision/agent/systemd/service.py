"""The agent as a systemd service: its unit is written, removed and started where systemd runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kelvin_provision.agent.lifecycle import process
from kelvin_provision.agent.lifecycle.handover import successor_waits, terminate
from kelvin_provision.agent.lifecycle.identity import outdated
from kelvin_provision.agent.systemd import unit
from kelvin_provision.errors import AgentSilent, PermissionRefused
from kelvin_provision.files.durable import private_folder, sync_folder, write_durably, writing_to
from kelvin_provision.hints import system
from kelvin_provision.masking.redactor import mask_text
from kelvin_provision.settings.model import Settings

FOLDER_VARIABLE = "KELVIN_PROVISION_UNIT_DIR"
FOLDER = Path("/etc/systemd/system")
BOOTED = Path("/run/systemd/system")
"""Exists exactly when systemd runs this box (sd_booted(3))."""
PATIENCE = 150.0
GOODBYE = 30.0
"""Seconds that a detached agent gets to end before the service replaces it; later it ends by itself."""
REPLACED = "the settings have changed: the agent was restarted"
LATER = "the settings have changed: the agent finishes its present work, then restarts with the new ones"
OUTDATED = "the settings have changed, and the agent works with the old ones until it is restarted (agent restart)"
SERVICE_OUTDATED = (
    "the agent works with other settings than this command: restart it (agent restart),"
    " or install it again (agent install) where they come from this session's environment"
)
_PASSED_ON = ("KUBECONFIG", "DOCKER_HOST")
_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")
_PREFIX = "KELVIN_PROVISION_"
_LOGIN = re.compile(r"://[^/\s]*@")


@dataclass(frozen=True)
class Done:
    """The outcome as a past participle, and what the user has to know or do."""

    outcome: str
    unit: Path
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Systemd:
    """The directory of units, and whether systemd can be called."""

    folder: Path = FOLDER
    booted: Path = BOOTED
    handover_timeout: float = GOODBYE

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Systemd:
        """As on this box; a variable gives another directory for units, for images that are built elsewhere."""
        folder = environ.get(FOLDER_VARIABLE)
        return cls(Path(folder), booted=Path(os.devnull)) if folder else cls()

    @property
    def path(self) -> Path:
        return self.folder / unit.NAME

    @property
    def here(self) -> bool:
        """Whether systemd runs and can be called."""
        return self.booted.is_dir() and shutil.which("systemctl") is not None

    def active(self) -> bool:
        """Whether the service runs or is about to."""
        return self._run("is-active", "--quiet", unit.NAME).returncode == 0

    def tell(self, *words: str) -> None:
        """Run `systemctl`; raises AgentSilent with its output."""
        done = self._run(*words)
        if done.returncode:
            evidence = [mask_text(line) for line in done.stderr.decode(errors="replace").splitlines()[-5:]]
            raise AgentSilent(
                f"systemctl {' '.join(words)}: exit code {done.returncode}",
                hint=system("systemctl", "status", unit.NAME),
                evidence=evidence,
            )

    def _run(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        with suppress(subprocess.TimeoutExpired):
            return subprocess.run(["systemctl", *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False)
        return subprocess.CompletedProcess(["systemctl", *words], 124, b"", f"no answer in {PATIENCE:.0f} s".encode())


def install(systemd: Systemd, state_dir: Path, arguments: Sequence[str], environ: Mapping[str, str], *, now: bool) -> Done:
    """Write and enable the unit; with `now`, start it in place of a detached agent. May be repeated.

    Raises PermissionRefused, CannotWrite, AgentSilent. A power cut leaves no unit or the whole unit.
    """
    private_folder(state_dir)  # the unit refers to it, and does not start without it
    text = unit.render([*program(), "agent", "run", *arguments], state_dir, passed_on(environ)).encode()
    changed = _content(systemd.path) != text
    if changed:
        with writing_to(systemd.path):
            systemd.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        write_durably(systemd.path, [text], mode=0o644)
    outcome, logins = "written" if changed else "unchanged", withheld(environ)
    if not systemd.here:
        return Done(
            outcome,
            systemd.path,
            (
                *logins,
                f"systemd does not run here; where it does: systemctl enable --now {unit.NAME}",
            ),
        )
    systemd.tell("daemon-reload")
    systemd.tell("enable", unit.NAME)
    with suppress(OSError):
        sync_folder(systemd.folder / "multi-user.target.wants")
    if not now:
        return Done(
            outcome,
            systemd.path,
            (
                *logins,
                f"it starts with the box; at once: systemctl start {unit.NAME}",
            ),
        )
    if systemd.active():
        if changed:
            systemd.tell("restart", unit.NAME)
        return Done("restarted" if changed else "unchanged", systemd.path, logins)
    late = not _ended(state_dir, systemd.handover_timeout)
    # While another agent lives it cannot become ready: systemd retries every ten seconds.
    systemd.tell("start", *(("--no-block",) if late else ()), unit.NAME)
    words = "another agent is running; the service takes over when it ends"
    return Done("started", systemd.path, (*logins, words) if late else logins)


def uninstall(systemd: Systemd) -> Done:
    """Stop the service and remove its unit. Does nothing without a unit. Raises as `install`."""
    if not systemd.path.exists():
        return Done("not installed", systemd.path)
    if not os.access(
        systemd.folder, os.W_OK, effective_ids=True
    ):  # before the service is stopped, and before systemctl asks for a password
        raise PermissionRefused(f"no permission to remove {systemd.path}")
    if systemd.here:
        systemd.tell("disable", "--now", unit.NAME)
    with writing_to(systemd.path):
        systemd.path.unlink(missing_ok=True)
        sync_folder(systemd.folder)
    if systemd.here:
        systemd.tell("daemon-reload")
    return Done("removed", systemd.path, ("no agent runs now; the next deploy starts one that lives until a reboot",))


def looks_after(systemd: Systemd, state_dir: Path) -> bool:
    """Whether the installed service is for this state directory."""
    content = _content(systemd.path) or b""
    return f"--state-dir {unit.argument(str(state_dir))}".encode() in content


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
        with suppress(AgentSilent):  # with a masked or broken unit, a detached agent is better than none
            systemd.tell("start", unit.NAME)
            return ()
    process.ensure(state_dir, command, patience=patience)
    return ()


def program() -> tuple[str, ...]:
    """The program of this installation by absolute path: the script beside the interpreter, else the interpreter and the module."""
    script = Path(sys.executable).parent / "kelvin-provision"
    return (str(script),) if os.access(script, os.X_OK) else (sys.executable, "-m", "kelvin_provision")


def passed_on(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that the service needs in its unit, except those with a login: every user can read a unit."""
    environment = process.environment(environ)
    kept = {name: value for name, value in environment.items() if _is_needed(name) and not _has_login(name, value)}
    if len(program()) > 1 and "PYTHONPATH" in environment:
        kept["PYTHONPATH"] = environment["PYTHONPATH"]
    return {name: value for name, value in kept.items() if value}


def withheld(environ: Mapping[str, str]) -> tuple[str, ...]:
    """A warning for each variable that the service needs and does not get."""
    names = sorted(name for name, value in environ.items() if _is_needed(name) and _has_login(name, value))
    advice = f"put the variable into a file with mode 0600 and add that file as EnvironmentFile= with `systemctl edit {unit.NAME}`"
    return tuple(f"{name} contains a login and is left out of the unit, which every user can read: {advice}" for name in names)


def _is_needed(name: str) -> bool:
    return (name.startswith(_PREFIX) and name != FOLDER_VARIABLE) or name in _PASSED_ON or name.upper() in _PROXIES


def _has_login(name: str, value: str) -> bool:
    return _LOGIN.search(value) is not None or (name.upper() in _PROXIES and "@" in value)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


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
