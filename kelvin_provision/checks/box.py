"""The box itself: what it is called, what runs on it, the filesystems that it uses."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kelvin_provision import __version__, timestamps
from kelvin_provision.connections import CLUSTER_FACT
from kelvin_provision.files.lock import holder
from kelvin_provision.queries.overview import OverviewRequest, overview

if TYPE_CHECKING:
    from kelvin_provision.context import Context
    from kelvin_provision.runtimes.protocol import Runtime


@dataclass(frozen=True)
class Counts:
    """Workloads by state, and those with a staged version."""

    states: Mapping[str, int]
    staged: int

    def __len__(self) -> int:
        return len(self.states)

    @property
    def total(self) -> int:
        return sum(self.states.values())


@dataclass(frozen=True)
class BoxResult:
    """`cluster_type` is empty until there is a cluster. `state` is the filesystem of the state directory."""

    name: str
    version: str
    time: str
    cluster_name: str
    cluster_type: str
    counts: Counts
    agent: bool
    state: Filesystem

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "version": self.version,
            "time": self.time,
            "cluster": {"name": self.cluster_name, "type": self.cluster_type or None},
            "workloads": {"total": self.counts.total, "staged": self.counts.staged, "states": dict(self.counts.states)},
            "agent": {"alive": self.agent},
            "disk": asdict(self.state),
        }


def counts(ctx: Context) -> Counts:
    """Reads every workload. It depends on the ledger alone, so that a front end may keep it until that changes."""
    items = overview(ctx, OverviewRequest()).page.items
    return Counts(dict(Counter(item.status.state.value for item in items)), sum(item.staged is not None for item in items))


def box(ctx: Context, counted: Counts) -> BoxResult:
    """From the ledger and the state directory: asks neither cluster nor runtime."""
    return BoxResult(
        name=platform.node(),
        version=__version__,
        time=timestamps.rfc3339_now(),
        cluster_name=ctx.box_name,
        cluster_type=ctx.ledger.fact(CLUSTER_FACT) or "",
        counts=counted,
        agent=holder(ctx.settings.state_dir / "agent.lock") is not None,
        state=next(filesystems(ctx, lambda: None)),
    )


@dataclass(frozen=True)
class Filesystem:
    """A filesystem that we use. `inodes` is 0 if the filesystem does not count them."""

    what: str
    path: str
    total: int
    free: int
    inodes: int = 0
    inodes_free: int = 0
    writable: bool = True


@dataclass(frozen=True)
class DiskResult:
    """`stored` and `prunable` are bytes of images in the store; the latter are needed by no version that is kept."""

    filesystems: tuple[Filesystem, ...]
    stored: int
    prunable: int

    def to_json(self) -> dict[str, Any]:
        return {
            "filesystems": [asdict(filesystem) for filesystem in self.filesystems],
            "store": {"bytes": self.stored, "prunable": self.prunable},
        }


def disk(ctx: Context) -> DiskResult:
    """Where images are is asked of the runtime; one that does not answer has no filesystem here."""
    from kelvin_provision.queries.images import prunable  # the process of the API needs none of it

    stored = sum(blob.size for blob in ctx.store.layout.list_blobs())
    return DiskResult(tuple(filesystems(ctx, lambda: ctx.runtime)), stored, prunable(ctx))


def filesystems(ctx: Context, runtime: Callable[[], Runtime | None]) -> Iterator[Filesystem]:
    """Each filesystem once."""
    folders = {"the state": ctx.settings.state_dir}
    with suppress(Exception):  # a runtime that does not answer has a check of its own
        asked = runtime()
        folder = asked.storage().unpacked if asked else None
        if folder is not None:
            folders["images"] = folder
    devices: dict[int, tuple[list[str], Path]] = {}
    for what, folder_path in folders.items():
        path = next((parent for parent in (folder_path, *folder_path.parents) if parent.exists()), Path("/"))
        devices.setdefault(path.stat().st_dev, ([], path))[0].append(what)
    for contents, path in devices.values():
        status = os.statvfs(path)
        yield Filesystem(
            " and ".join(contents),
            str(path),
            status.f_blocks * status.f_frsize,
            status.f_bavail * status.f_frsize,
            status.f_files,
            status.f_ffree,
            writable=not status.f_flag & os.ST_RDONLY,
        )
