"""Installing and removing what is done with a medium that arrives."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from kelvin_provision.agent.systemd.service import starts_on_request
from kelvin_provision.errors import PermissionRefused
from kelvin_provision.files.durable import private_folder, sync_folder, write_durably, writing_to
from kelvin_provision.media_service import units
from kelvin_provision.settings.model import Settings
from kelvin_provision.systemd.environment import passed_on, program, withheld
from kelvin_provision.systemd.installing import Done, Service, refuse_masked, write_unit
from kelvin_provision.systemd.systemctl import Systemd

OFF = "media.auto is off: nothing is done with a medium that arrives until it is inspect or import (config set media.auto inspect)"

NO_AGENT = "what is imported is staged when an agent runs: install its service, too (agent install)"


def rule_path(systemd: Systemd) -> Path:
    """/etc/udev/rules.d beside /etc/systemd/system, also in an image that is built elsewhere."""
    return systemd.folder.parents[1] / "udev" / "rules.d" / units.RULE


def install(systemd: Systemd, settings: Settings, arguments: Sequence[str], environ: Mapping[str, str]) -> Done:
    """Write the unit, then the rule that starts it. May be repeated. Raises PermissionRefused, CannotWrite, ServiceFailed."""
    refuse_masked(systemd, Service({units.UNIT: ""}))
    private_folder(settings.state_dir)  # the unit refers to it, and does not start without it
    ours, rule = program(), rule_path(systemd)
    text = units.render_unit([*ours, "media", "arrived", *arguments], settings.state_dir, passed_on(environ, script=len(ours) == 1))
    changed = write_unit(systemd, units.UNIT, text.encode())
    if _content(rule) != units.render_rule().encode():
        with writing_to(rule):
            rule.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        write_durably(rule, [units.render_rule().encode()], mode=0o644)
        changed = True
    off = (OFF,) if settings.media.auto == "off" else ()
    agent = () if starts_on_request(systemd, settings.state_dir) else (NO_AGENT,)
    return Done(
        "installed" if changed else "unchanged",
        systemd.path(units.UNIT),
        (*withheld(environ, units.UNIT), *_reloaded(systemd), *agent, *off),
    )


def uninstall(systemd: Systemd) -> Done:
    """Remove the rule, then the unit. What runs for a medium ends by itself. Raises PermissionRefused, CannotWrite, ServiceFailed."""
    there = [path for path in (rule_path(systemd), systemd.path(units.UNIT)) if path.exists()]
    there = [path for path in there if path.name != units.UNIT or not systemd.masked(units.UNIT)]
    if not there:
        return Done("not installed", systemd.path(units.UNIT))
    for path in there:
        if not os.access(path.parent, os.W_OK, effective_ids=True):
            raise PermissionRefused(f"no permission to remove {path}")
        with writing_to(path):
            path.unlink(missing_ok=True)
            sync_folder(path.parent)
    return Done("removed", systemd.path(units.UNIT), _reloaded(systemd))


def _reloaded(systemd: Systemd) -> tuple[str, ...]:
    """Udev sees a changed rule by itself within seconds; it is told all the same. Returns what has to be done later."""
    if not systemd.here:
        return ("systemd does not run here; where it does, the unit is started by udev",)
    systemd.tell("daemon-reload")
    if shutil.which("udevadm") is None:
        return ("there is no udev on this box: nothing starts the unit when a medium arrives",)
    with suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(["udevadm", "control", "--reload"], stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
    return ()


def _content(path: Path) -> bytes | None:
    with suppress(OSError):
        return path.read_bytes()
    return None
