"""What a person has said, as options or at a terminal. What was not said stays as it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kelvin_provision.access.levels import Level
from kelvin_provision.setup.finding import AUTO


@dataclass(frozen=True)
class NewUser:
    """The first user of the API."""

    name: str
    level: Level
    password: str

    def __repr__(self) -> str:
        """Without the password."""
        return f"NewUser({self.name!r}, {self.level.value!r})"


@dataclass(frozen=True)
class Answers:
    """`cluster` is auto, a type or the name of what was found. `api`: whether its service is wanted; None: as it is, on a new box yes.

    `start`: False for an image that is built: services start with the box, and nothing is made that only one box may have. `copy`: that of
    a ledger, from which this box is to lead.
    """

    cluster: str | None = None
    kubeconfig: Path | None = None
    registry: str | None = None
    cluster_name: str | None = None
    trust_keys: tuple[Path, ...] = ()
    listen: tuple[str, ...] = ()
    api: bool | None = None
    user: NewUser | None = None
    start: bool = True
    copy: Path | None = None

    @property
    def asks_for_cluster(self) -> bool:
        return self.kubeconfig is not None or self.cluster not in {None, AUTO}

    def settings(self) -> Iterator[tuple[str, str]]:
        """The settings that were said, as they are typed."""
        if self.registry:
            yield "registry", self.registry
        if self.cluster_name:
            yield "cluster.name", self.cluster_name
