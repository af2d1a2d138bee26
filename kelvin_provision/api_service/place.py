"""The lock of the API in the state directory: one process at a time, and who it is."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from kelvin_provision.files.durable import private_folder
from kelvin_provision.files.lock import exclusive, holder


def held(state_dir: Path, addresses: Sequence[str]) -> AbstractContextManager[None]:
    """Hold it while serving on these URLs. Raises Locked, which names the other process."""
    return exclusive(_path(private_folder(state_dir)), command="api serve", more={"addresses": list(addresses)})


def running(state_dir: Path) -> dict[str, Any] | None:
    """Pid, user, since and addresses of the API that runs now, or None."""
    return holder(_path(state_dir))


def _path(state_dir: Path) -> Path:
    return state_dir / "api.running"
