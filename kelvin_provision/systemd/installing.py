"""A service is installed and removed where systemd runs; elsewhere its unit files are written, and the next command is said."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kelvin_provision.errors import PermissionRefused, ServiceFailed
from kelvin_provision.files.durable import sync_folder, write_durably, writing_to
from kelvin_provision.hints import system
from kelvin_provision.systemd.systemctl import FOLDER, Systemd


@dataclass(frozen=True)
class Service:
    """`units` are its files by name. The first one is the service itself; the others belong to it, such as its socket."""

    units: Mapping[str, str]

    @property
    def name(self) -> str:
        return next(iter(self.units))


@dataclass(frozen=True)
class Done:
    """The outcome as a past participle, and what the user has to know or do."""

    outcome: str
    unit: Path
    warnings: tuple[str, ...] = ()


def install(systemd: Systemd, service: Service, *, now: bool, make_way: Callable[[], str] = str) -> Done:
    """Write and enable the units; with `now`, start them. May be repeated.

    `make_way` is called before the first start; it returns what the service has to wait for first, if anything.
    Raises PermissionRefused, CannotWrite, ServiceFailed. A power cut leaves each unit file whole, or none.
    """
    path, names = systemd.path(service.name), tuple(service.units)
    refuse_masked(systemd, service)
    changed = [name for name in names if write_unit(systemd, name, service.units[name].encode())]
    outcome = "written" if changed else "unchanged"
    if not systemd.here and not now:
        linked = [_link(systemd, name, target) for name in names for target in wanted_by(service.units[name])]
        return Done("written" if changed or any(linked) else "unchanged", path, ("it starts with the box",))
    if not systemd.here:
        return Done(outcome, path, (f"systemd does not run here; where it does: systemctl enable --now {' '.join(names)}",))
    systemd.tell("daemon-reload")
    systemd.tell("enable", *names)
    for wants in systemd.folder.glob("*.wants"):
        with suppress(OSError):
            sync_folder(wants)
    if not now:
        return Done(outcome, path, (f"it starts with the box; at once: systemctl start {' '.join(names)}",))
    if systemd.active(service.name):
        _renew(systemd, service, changed)
        return Done("restarted" if changed else "unchanged", path)
    late = make_way()
    # What it waits for keeps it from becoming ready: systemd retries.
    systemd.tell("start", *(("--no-block",) if late else ()), *names)
    return Done("started", path, (late,) if late else ())


def refuse_masked(systemd: Systemd, service: Service) -> None:
    """Raises ServiceFailed."""
    for name in service.units:
        if systemd.masked(name):
            raise ServiceFailed(f"{name} is masked: an administrator has forbidden it", hint=system("systemctl", "unmask", name))


def preview(systemd: Systemd, service: Service, *, now: bool) -> str:
    """The outcome that `install` would have."""
    changed = any(not _is_there(systemd, name, text.encode()) for name, text in service.units.items())
    runs = systemd.here and systemd.active(service.name)
    if now and systemd.here:
        return ("restarted" if changed else "unchanged") if runs else "started"
    return "written" if changed else "unchanged"


def wanted_by(unit: str) -> tuple[str, ...]:
    """The targets in the section Install of a unit."""
    lines = (line.partition("=") for line in unit.splitlines())
    return tuple(target for key, _, value in lines if key == "WantedBy" for target in value.split())


def _link(systemd: Systemd, name: str, target: str) -> bool:
    """What `systemctl enable` does, for a box whose systemd does not run now, such as an image that is built."""
    link = systemd.folder / f"{target}.wants" / name
    if link.is_symlink():
        return False
    with writing_to(link):
        link.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        link.symlink_to(systemd.shipped_path(name) or FOLDER / name)
        sync_folder(link.parent)
    return True


def uninstall(systemd: Systemd, name: str, *others: str) -> Done:
    """Stop the service and remove its units. Does nothing without one. Raises as `install`."""
    there = [unit for unit in (name, *others) if _is_installed(systemd, unit)]
    if not there:
        return Done("not installed", systemd.path(name))
    if not os.access(
        systemd.folder, os.W_OK, effective_ids=True
    ):  # before the service is stopped, and before systemctl asks for a password
        raise PermissionRefused(f"no permission to remove {systemd.path(there[0])}")
    if systemd.here:
        systemd.tell("disable", "--now", *there)
    with writing_to(systemd.path(there[0])):
        for unit in there:
            for target in wanted_by((systemd.installed(unit) or b"").decode(errors="replace")):
                (systemd.folder / f"{target}.wants" / unit).unlink(missing_ok=True)
            systemd.path(unit).unlink(missing_ok=True)
        sync_folder(systemd.folder)
    if systemd.here:
        systemd.tell("daemon-reload")
    return Done("removed", systemd.path(name))


def _is_installed(systemd: Systemd, unit: str) -> bool:
    return systemd.installed(unit) is not None and not systemd.masked(unit)


def _is_there(systemd: Systemd, name: str, text: bytes) -> bool:
    """Also as the unit of a package, which brings those of a box with the usual settings, and renews them."""
    return text in {systemd.content(name), systemd.shipped_content(name)}


def write_unit(systemd: Systemd, name: str, text: bytes) -> bool:
    """Whether it has changed. Raises PermissionRefused, CannotWrite."""
    if _is_there(systemd, name, text):
        return False
    with writing_to(systemd.path(name)):
        systemd.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    write_durably(systemd.path(name), [text], mode=0o644)
    return True


def _renew(systemd: Systemd, service: Service, changed: list[str]) -> None:
    """Restart what has changed.

    An open socket keeps its connections while the service restarts; a changed socket can be opened only after the service has stopped.
    """
    if any(name.endswith(".socket") for name in changed):
        systemd.tell("stop", *service.units)
        systemd.tell("start", *service.units)
    elif changed:
        systemd.tell("restart", *changed)
