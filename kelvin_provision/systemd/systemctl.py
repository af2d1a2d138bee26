"""systemd as a command: the folder of units, and `systemctl`."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kelvin_provision.errors import ServiceFailed
from kelvin_provision.hints import system
from kelvin_provision.masking.redactor import mask_text
from kelvin_provision.systemd.words import argument

FOLDER_VARIABLE = "KELVIN_PROVISION_UNIT_DIR"
FOLDER = Path("/etc/systemd/system")
SHIPPED = (Path("/usr/local/lib/systemd/system"), Path("/usr/lib/systemd/system"))
"""Units of packages, as systemd looks for them; those in FOLDER come first."""
BOOTED = Path("/run/systemd/system")
"""Exists exactly when systemd runs this box (sd_booted(3))."""
PATIENCE = 150.0


@dataclass(frozen=True)
class Systemd:
    """The directory of units, and whether systemd can be called."""

    folder: Path = FOLDER
    booted: Path = BOOTED
    shipped: tuple[Path, ...] = SHIPPED

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Systemd:
        """As on this box; a variable gives another directory for units, for images that are built elsewhere."""
        folder = environ.get(FOLDER_VARIABLE)
        return cls(Path(folder), booted=Path(os.devnull), shipped=()) if folder else cls()

    def path(self, unit: str) -> Path:
        return self.folder / unit

    def content(self, unit: str) -> bytes | None:
        """Of its file; None without one."""
        try:
            return self.path(unit).read_bytes()
        except OSError:
            return None

    def shipped_content(self, unit: str) -> bytes | None:
        """Of the unit of a package, where no other one is in front of it."""
        place = self.shipped_path(unit)
        try:
            return place.read_bytes() if place else None
        except OSError:
            return None

    def shipped_path(self, unit: str) -> Path | None:
        """Where the unit of a package is that is in force once it is enabled."""
        if os.path.lexists(self.path(unit)):
            return None
        return next((folder / unit for folder in self.shipped if (folder / unit).exists()), None)

    def installed(self, unit: str) -> bytes | None:
        """The content of the unit that is in force. One of a package is there before anybody wants it, and counts once it is enabled."""
        return self.content(unit) or (self.shipped_content(unit) if self.is_enabled(unit) else None)

    def is_enabled(self, unit: str) -> bool:
        """Whether it starts with the box."""
        return any(True for _ in self.folder.glob(f"*.wants/{unit}"))

    def is_for(self, unit: str, state_dir: Path) -> bool:
        """Whether the installed unit is for this state directory."""
        return f"--state-dir {argument(str(state_dir))}".encode() in (self.installed(unit) or b"")

    def masked(self, unit: str) -> bool:
        """Whether its file is the null device (systemctl(1), mask)."""
        return self.path(unit).is_symlink() and self.path(unit).resolve() == Path(os.devnull)

    @property
    def here(self) -> bool:
        """Whether systemd runs and can be called."""
        return self.booted.is_dir() and shutil.which("systemctl") is not None

    def active(self, unit: str) -> bool:
        """Whether it runs or is about to."""
        return self._run("is-active", "--quiet", unit).returncode == 0

    def tell(self, verb: str, *units: str) -> None:
        """Run `systemctl`; raises ServiceFailed with its output."""
        done = self._run(verb, *units)
        if done.returncode:
            evidence = [mask_text(line) for line in done.stderr.decode(errors="replace").splitlines()[-5:]]
            named = [unit for unit in units if not unit.startswith("-")]
            hint = system("systemctl", "status", *named[:1])
            raise ServiceFailed(f"systemctl {' '.join((verb, *units))}: exit code {done.returncode}", hint=hint, evidence=evidence)

    def _run(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        with suppress(subprocess.TimeoutExpired):
            return subprocess.run(["systemctl", *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False)
        return subprocess.CompletedProcess(["systemctl", *words], 124, b"", f"no answer in {PATIENCE:.0f} s".encode())
