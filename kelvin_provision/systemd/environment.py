"""What a service gets from the session that installs it: the program by its path, and the variables that it needs."""

from __future__ import annotations

import os
import re
import site
import sys
from collections.abc import Mapping
from pathlib import Path

from kelvin_provision.settings.sources import SITE_VARIABLE
from kelvin_provision.settings.types import absolute
from kelvin_provision.systemd.systemctl import FOLDER_VARIABLE

CURRENT, RELEASE = "current", "release.json"
"""The link to the tree of the current version, beside the trees; and what a tree says about itself."""
_OF_A_SERVICE = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"}
"""Variables that systemd sets for one service alone."""
_PASSED_ON = ("KUBECONFIG", "DOCKER_HOST")
_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")
_PREFIX = "KELVIN_PROVISION_"
_LOGIN = re.compile(r"://[^/\s]*@")


def program() -> tuple[str, ...]:
    """The program of this installation by absolute path: the script beside the interpreter, else the interpreter and the module."""
    script = interpreter().parent / "kelvin-provision"
    return (str(script),) if os.access(script, os.X_OK) else (sys.executable, "-m", "kelvin_provision")


def interpreter(executable: str = sys.executable) -> Path:
    """Our interpreter by a path that outlives an upgrade: where versions lie side by side, over the link to the current one.

    A running process uses `sys.executable`, which is that of its own version, for its children.
    """
    tree = Path(executable).parents[1]
    current = tree.parent / CURRENT
    return current / "bin" / Path(executable).name if current.is_symlink() and (tree / RELEASE).is_file() else Path(executable)


def with_absolute_paths(environ: Mapping[str, str]) -> dict[str, str]:
    """Our environment for a process that works in `/`, so that it keeps no medium busy."""
    result = {name: value for name, value in environ.items() if name not in _OF_A_SERVICE}
    if "KUBECONFIG" in result:
        result["KUBECONFIG"] = os.pathsep.join(str(absolute(part)) for part in result["KUBECONFIG"].split(os.pathsep) if part)
    for name in (SITE_VARIABLE, "DOCKER_CONFIG"):
        if result.get(name):
            result[name] = str(Path(result[name]).absolute())
    # In a source tree the package was imported from the working directory.
    root = str(Path(__file__).parents[2])
    if root not in {*site.getsitepackages(), site.getusersitepackages()}:
        before = [part for part in result.get("PYTHONPATH", "").split(os.pathsep) if part != root]
        result["PYTHONPATH"] = os.pathsep.join(filter(None, (root, *before)))
    return result


def passed_on(environ: Mapping[str, str], *, script: bool) -> dict[str, str]:
    """The variables that a service needs in its unit, except those with a login: every user can read a unit.

    `script`: it is started by the script of an installation, which knows where the package is.
    """
    environment = with_absolute_paths(environ)
    kept = {name: value for name, value in environment.items() if _is_needed(name) and not _has_login(name, value)}
    if not script and "PYTHONPATH" in environment:
        kept["PYTHONPATH"] = environment["PYTHONPATH"]
    return {name: value for name, value in kept.items() if value}


def withheld(environ: Mapping[str, str], unit: str) -> tuple[str, ...]:
    """A warning for each variable that the service needs and does not get."""
    names = sorted(name for name, value in environ.items() if _is_needed(name) and _has_login(name, value))
    advice = f"put the variable into a file with mode 0600 and add that file as EnvironmentFile= with `systemctl edit {unit}`"
    return tuple(f"{name} contains a login and is left out of the unit, which every user can read: {advice}" for name in names)


def _is_needed(name: str) -> bool:
    return (name.startswith(_PREFIX) and name != FOLDER_VARIABLE) or name in _PASSED_ON or name.upper() in _PROXIES


def _has_login(name: str, value: str) -> bool:
    return _LOGIN.search(value) is not None or (name.upper() in _PROXIES and "@" in value)
