"""A box with a real systemd as its first process, in namespaces of its own, with this program in it.

Its script is `../shared/systemd/box.sh`, seen from the project, or what KELVIN_PROVISION_TEST_SYSTEMD says. `build` makes what boxes start
from, once a machine: it downloads Debian's packages, so no test does it.
"""

import os
import site
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Self

from tests.kit.waiting import PATIENCE

ROOT = Path(__file__).parents[3]
_GIVEN = os.environ.get("KELVIN_PROVISION_TEST_SYSTEMD")
_SCRIPT = Path(_GIVEN) if _GIVEN else ROOT.parent / "shared" / "systemd" / "box.sh"
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
_DIR = _CACHE / "kelvin-provision-box"
TREE = _DIR / "base-bookworm" / "root"
"""What boxes start from."""
ENVIRONMENT = {**os.environ, "BOX_DIR": str(_DIR), "PACKAGES": "python3"}
PROJECT, LIBRARIES = "/opt/kelvin-provision", "/opt/libraries"
PYTHON = (3, 11)
"""Of the box: libraries are those of this interpreter."""


def why_not() -> str:
    """Why there is none, or nothing."""
    if os.geteuid() != 0:
        return "a box with systemd needs root"
    if not os.access(_SCRIPT, os.X_OK):
        return f"there is no box with systemd: {_SCRIPT}, or set KELVIN_PROVISION_TEST_SYSTEMD"
    if not (TREE.parent / "complete").exists():
        return f"the box with systemd is not built: python -m tests.kit.servers.systemd (with {_SCRIPT})"
    return "" if sys.version_info[:2] == PYTHON else f"the box with systemd has Python {'.'.join(map(str, PYTHON))}"


def build() -> None:
    subprocess.run([_SCRIPT, "build"], env=ENVIRONMENT, check=True)


class SystemdBox:
    """Use it as a context manager."""

    def __init__(self, name: str, binds: Mapping[str | Path, str] = MappingProxyType({})) -> None:
        """`binds`: further files, folders and sockets of this machine, with their places in the box."""
        self.name = name
        self.binds = "".join(f" {source}:{place}" for source, place in binds.items())

    def __enter__(self) -> Self:
        libraries = site.getsitepackages()[0]
        binds = f"{ROOT / 'kelvin_provision'}:{PROJECT}/kelvin_provision {libraries}:{LIBRARIES}"
        subprocess.run(
            [_SCRIPT, "up", self.name],
            env={**ENVIRONMENT, "BIND": binds + self.binds},
            check=True,
            capture_output=True,
            timeout=4 * PATIENCE,
        )
        return self

    def __exit__(self, *error: object) -> None:
        self._box("down", self.name)

    def _box(self, *words: str, **more) -> subprocess.CompletedProcess:
        return subprocess.run([_SCRIPT, *words], env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=4 * PATIENCE, **more)

    def reboot(self) -> None:
        assert self._box("reboot", self.name).returncode == 0

    def cut(self) -> None:
        """Kill everything in it at once, and boot it again."""
        assert self._box("cut", self.name).returncode == 0

    @property
    def root(self) -> Path:
        """Its files, as this machine sees them."""
        return Path(self._box("path", self.name).stdout.strip())

    def start(self, *words: str) -> subprocess.Popen:
        """A command of ours that goes on."""
        command = ["exec", self.name, "env", f"PYTHONPATH={PROJECT}:{LIBRARIES}", "python3", "-P", "-m", "kelvin_provision", *words]
        return subprocess.Popen(
            [_SCRIPT, *command], env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def run(self, *words: str, **more) -> subprocess.CompletedProcess:
        """A command in the box, which imports nothing but what the box has and its libraries."""
        return self._box("exec", self.name, "env", f"PYTHONPATH={PROJECT}:{LIBRARIES}", "PYTHONDONTWRITEBYTECODE=1", *words, **more)

    def out(self, *words: str) -> str:
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def tool(self, *words: str, **more) -> subprocess.CompletedProcess:
        """A command of ours."""
        return self.run("python3", "-P", "-m", "kelvin_provision", *words, **more)

    def python(self, code: str) -> str:
        return self.out("python3", "-c", code)

    def state(self, unit: str) -> str:
        return self.run("systemctl", "is-active", unit).stdout.strip()

    def journal(self, unit: str, *words: str) -> str:
        """All that it has said: what was written a moment ago may not be in the journal yet."""
        self.out("journalctl", "--sync")
        return self.out("journalctl", "-u", unit, "--no-pager", *words)

    def main_pid(self, unit: str) -> int:
        return int(self.out("systemctl", "show", "-p", "MainPID", "--value", unit))

    def until(self, ready, seconds: float = PATIENCE):
        deadline = time.monotonic() + seconds
        while not (found := ready()):
            assert time.monotonic() < deadline, self.run("journalctl", "--no-pager", "-n", "40").stdout
            time.sleep(0.2)
        return found


if __name__ == "__main__":
    build()
