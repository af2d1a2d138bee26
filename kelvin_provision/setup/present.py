"""What this box has already: its settings, services and users. Looks, and creates nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from kelvin_provision.access.users import Users
from kelvin_provision.agent.systemd import service as agent_service
from kelvin_provision.api_service.units import SERVICE as API
from kelvin_provision.connections import CLUSTER_FACT
from kelvin_provision.context import Context
from kelvin_provision.errors import PermissionRefused
from kelvin_provision.ledger.ledger import utc_now
from kelvin_provision.settings.files import Sources
from kelvin_provision.settings.load import Loaded
from kelvin_provision.settings.model import Settings
from kelvin_provision.settings.sources import Place
from kelvin_provision.settings.state_dir import refuse_unsafe
from kelvin_provision.settings.types import expanded
from kelvin_provision.setup.finding import Look
from kelvin_provision.systemd.systemctl import Systemd


@dataclass(frozen=True)
class NewBox:
    """The box to set up: where its settings are, its systemd, where to look for a cluster, and how its state is opened."""

    sources: Sources
    systemd: Systemd
    look: Look
    opened: Callable[[Settings], AbstractContextManager[Context]]

    @property
    def place(self) -> Place:
        """The site file, or the one of --config."""
        return self.sources.places()[0]

    @property
    def config(self) -> Path | None:
        """For the services, which run elsewhere."""
        return expanded(str(self.sources.config)).absolute() if self.sources.config else None


@dataclass(frozen=True)
class Present:
    """`is_new`: it has no service of the agent, which is the last thing that is installed. `cluster`: the type that has its workloads.

    `trust` is the number of the trust document that it follows, 0 without one.
    """

    loaded: Loaded
    is_new: bool
    has_api: bool
    users: tuple[str, ...]
    cluster: str = ""
    trust: int = 0

    @property
    def settings(self) -> Settings:
        return self.loaded.settings

    def is_set(self, *names: str) -> bool:
        """Whether a file or one of our variables sets one of these."""
        foreign = {"default", "KUBECONFIG", "DOCKER_HOST"}
        return any(origin.key in names and origin.origin not in foreign for origin in self.loaded.origins)


def look_at(box: NewBox) -> Present:
    """Raises PermissionRefused for who may not set up this box, CannotWrite, SettingsInvalid, StateDamaged."""
    for path in (box.place.path, box.systemd.folder):
        _refuse_unwritable(path)
    loaded = box.sources.load({} if box.place.path.exists() else {box.place.path: b""})
    settings = loaded.settings
    refuse_unsafe(settings.state_dir, uid=os.geteuid())
    users = tuple(user.name for user in Users(settings.state_dir, utc_now).all())
    is_new = not agent_service.looks_after(box.systemd, settings.state_dir)
    return Present(loaded, is_new, box.systemd.is_for(API, settings.state_dir), users, *_kept(box, settings))


def _kept(box: NewBox, settings: Settings) -> tuple[str, int]:
    """What the ledger says, if there is one: the type of the cluster that has our workloads, and the number of the trust document."""
    if not (settings.state_dir / "ledger.db").exists():
        return "", 0
    with box.opened(settings) as ctx:
        newest = ctx.ledger.newest_trust()
        cluster = "" if ctx.ledger.is_empty() else ctx.ledger.fact(CLUSTER_FACT) or ""
        return cluster, newest.number if newest else 0


def _refuse_unwritable(path: Path) -> None:
    """Before anything is asked or written."""
    there = next(parent for parent in (path, *path.absolute().parents) if os.path.lexists(parent))
    if not os.access(there, os.W_OK, effective_ids=True):
        raise PermissionRefused(f"no permission to write {path}")
