"""Agent and API after a switch: what runs is started again with the current version, in good order."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from kelvin_provision.systemd.environment import CURRENT
from kelvin_provision.systemd.systemctl import BOOTED

API = "kelvin-provision-api.service"
PATIENCE = 900.0
"""Seconds to wait for a change that is under way."""
_LOCKED = 75


def tool(prefix: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command of the current version, which may be another one than ours."""
    command = [str(prefix / CURRENT / "bin" / "kelvin-provision"), *words]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def restart(prefix: Path, *, patience: float = PATIENCE) -> tuple[str, ...]:
    """Returns warnings: a service that does not start again makes no installation fail."""
    warnings = []
    if booted():
        systemctl("daemon-reload")
        if systemctl("is-active", "--quiet", API) and not systemctl("restart", API):
            warnings.append(f"the API did not start again: systemctl status {API}")
    if _agent_runs(prefix) and not _repeated(prefix, "agent", "restart", patience=patience):
        warnings.append("the agent still runs the version before: restart it (agent restart)")
    return tuple(warnings)


def end(prefix: Path, *, patience: float = PATIENCE) -> bool:
    """Stop and remove both services; False where a change is under way, or systemd refused."""
    if not _repeated(prefix, "agent", "stop", patience=patience):
        return False
    return all(tool(prefix, "--quiet", name, "uninstall").returncode == 0 for name in ("api", "agent"))


def booted() -> bool:
    return BOOTED.is_dir() and shutil.which("systemctl") is not None


def systemctl(*words: str) -> bool:
    return subprocess.run(["systemctl", *words], stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0


def _agent_runs(prefix: Path) -> bool:
    try:
        answer: Any = json.loads(tool(prefix, "agent", "status", "--json").stdout)
    except ValueError:
        return False
    return bool(isinstance(answer, dict) and isinstance(answer.get("agent"), dict) and answer["agent"].get("alive"))


def _repeated(prefix: Path, *words: str, patience: float) -> bool:
    """Until no change is under way: one that has begun is never interrupted."""
    deadline = time.monotonic() + patience
    while (code := tool(prefix, "--quiet", *words).returncode) == _LOCKED and time.monotonic() < deadline:
        time.sleep(1)
    return code == 0
