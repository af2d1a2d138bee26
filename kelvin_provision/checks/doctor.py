"""`doctor` as a table, and the facts that its checks look at. It repairs nothing: it says what to type."""

from __future__ import annotations

import os
import platform as host
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kelvin_provision import __version__, timestamps
from kelvin_provision.agent import queue
from kelvin_provision.agent.lifecycle import process
from kelvin_provision.agent.systemd import service
from kelvin_provision.checks import box, certificates, planned
from kelvin_provision.checks.box import Agent, Clock, Filesystem, Kept, Orphans, Place
from kelvin_provision.checks.cluster_identity import cluster_identity, right_cluster
from kelvin_provision.checks.configuration import Configuration
from kelvin_provision.checks.examine import Check, Fact, examine
from kelvin_provision.context import Context
from kelvin_provision.files.lock import holder
from kelvin_provision.images.inventory import orphans
from kelvin_provision.ledger import journal
from kelvin_provision.ledger.times import newest
from kelvin_provision.runtimes.protocol import Runtime
from kelvin_provision.settings.keys import SITE
from kelvin_provision.store.gc.unreferenced import unreferenced
from kelvin_provision.verdict import Found, Line, ok

BORN = datetime(2026, 11, 1, tzinfo=UTC)
"""This program did not exist before."""


def versions() -> Iterator[Found]:
    """`versions`: ours, and what it runs on; the cluster and the runtime say theirs themselves."""
    release = host.freedesktop_os_release().get("PRETTY_NAME", "") if Path("/etc/os-release").exists() else ""
    system = f"{release}, " if release else ""
    yield ok(f"kelvin-provision {__version__}, Python {host.python_version()}, {system}{host.system()} {host.release()} {host.machine()}")


CHECKS = (
    Check("versions", "Versions", "Whoever helps wants to know them first.", versions, ()),
    Check("configuration", "Configuration", "A setting that is wrong stops every command.", box.configuration, ("configuration",)),
    Check("clock", "Clock", "With a wrong clock certificates and logins do not hold, and the history lies.", box.clock, ("clock",)),
    Check("permissions", "Permissions", "State and secrets are nobody else's business.", box.permissions, ("places",)),
    Check(
        "disk",
        "Disk",
        "A full disk stops downloads, imports and the ledger, and makes kubelets throw images away.",
        box.disk,
        ("filesystems",),
    ),
    Check("inodes", "Inodes", "Without inodes no file can be made, however many bytes are free.", box.inodes, ("filesystems",)),
    Check("state", "State", "Without its ledger the program knows nothing of this box.", box.state, ("kept",)),
    Check(
        "operations", "Interrupted operations", "What was cut off is undone or finished before anything else.", box.operations, ("kept",)
    ),
    Check(
        "agent",
        "Agent",
        "It downloads, imports and puts back; without it staged images may be gone when they are needed.",
        box.agent,
        ("agent",),
    ),
    Check(
        "cluster", "Cluster", "Everything is put on it; another one than before knows none of what runs.", right_cluster, ("whereabouts",)
    ),
    Check("node", "Node", "A node that is not well starts no pods and throws images away.", box.node, ("cluster",)),
    Check("namespace", "Namespace", "Nothing can be made in one that is being deleted.", planned.namespace, ("cluster",)),
    Check(
        "certificates",
        "Certificates",
        "After a year in a cupboard they have ended, and nothing on the box speaks to each other.",
        certificates.judged,
        ("certificates", "now"),
    ),
    Check("runtime", "Runtime", "Images are put there, and containers start from there.", box.runtime, ("runtime",)),
    Check(
        "short-names",
        "Short names",
        "A short name poisons the node: pods of it hang although the image is here.",
        box.short_names,
        ("names", "runtime", "workloads"),
    ),
    Check("orphans", "Orphans", "They take room that the next version needs.", box.orphans, ("orphans",)),
)


def run(
    ctx: Context, configuration: Configuration, *, skip: Sequence[str] = (), stop: Callable[[], bool] = lambda: False
) -> tuple[Line, ...]:
    """Look at the whole box. Raises UsageRefused for an unknown id, Interrupted."""
    return examine(CHECKS, facts(ctx, configuration), skip=skip, stop=stop)


def facts(ctx: Context, configuration: Configuration) -> dict[str, Fact[Any]]:
    """Each fact by its name. The ledger is opened once and only where there is one."""
    opened = Fact(lambda: ctx.ledger if ctx.connections.has_ledger else None)
    kept = Fact(lambda: _kept(ctx) if opened() else Kept())
    runtime, reached = Fact(lambda: ctx.runtime), Fact(lambda: ctx.connections.cluster)

    def cluster() -> Any:
        opened()
        return reached().state()

    known = Fact(cluster)

    def images() -> Runtime:
        opened()
        return runtime()

    return {
        "configuration": Fact(lambda: configuration),
        "now": Fact(timestamps.now),
        "clock": Fact(lambda: _clock(ctx, time.time(), newest(ctx.ledger) if opened() else None)),
        "places": Fact(lambda: tuple(_places(ctx))),
        "filesystems": Fact(lambda: tuple(_filesystems(ctx, images))),
        "kept": kept,
        "workloads": Fact(lambda: kept().workloads),
        "agent": Fact(lambda: _agent(ctx, kept())),
        "cluster": known,
        "whereabouts": Fact(lambda: cluster_identity(ctx, known())),
        "certificates": Fact(lambda: tuple(certificates.found(ctx.connections.choice.kubeconfig, ctx.settings.cluster.context))),
        "runtime": Fact(lambda: images().info()),
        "names": Fact(lambda: images().image_names()),
        "orphans": Fact(lambda: _orphans(ctx, images()) if opened() else Orphans(unreferenced(ctx.store.layout, frozenset()))),
    }


def _kept(ctx: Context) -> Kept:
    found = holder(ctx.settings.state_dir / "lock")
    who = f"{found.get('user', 'someone')} (pid {found.get('pid', '?')}): {found.get('command', '?')}" if found is not None else ""
    return Kept(ctx.ledger.workloads(), journal.unfinished(ctx.ledger), journal.broken_link(ctx.ledger), who)


def _clock(ctx: Context, now: float, written: str | None) -> Clock:
    """The newest of: what the ledger says, when our files were last changed, when this program was installed, when it was made."""
    seen = [(BORN, "this program is newer than that")]
    if written:
        seen.append((timestamps.parse(written), "the ledger has an entry of then"))
    state = ctx.settings.state_dir
    for path in (
        Path(__file__),
        *(state / name for name in ("ledger.db", "ledger.db-wal", "verified", "agent.log", "agent.now", "images/index.json")),
    ):
        with suppress(OSError):
            seen.append((datetime.fromtimestamp(path.stat().st_mtime, UTC), f"{path} was written then"))
    when, where = max(seen)
    return Clock(datetime.fromtimestamp(now, UTC), when, where)


def _places(ctx: Context) -> Iterator[Place]:
    state, secrets = ctx.settings.state_dir, ctx.settings.secrets_dir
    private = [state, state / "ledger.db", secrets]
    with suppress(OSError):
        private += sorted(secrets.iterdir())
    for path, secret in [*((path, True) for path in private), (SITE.parent, False), (SITE, False)]:
        with suppress(OSError):
            found = path.stat()
            yield Place(str(path), found.st_mode & 0o7777, found.st_uid in {os.geteuid(), 0}, secret)


def _filesystems(ctx: Context, runtime: Callable[[], Runtime]) -> Iterator[Filesystem]:
    """Each filesystem once, whatever lies on it."""
    places = {"the state": ctx.settings.state_dir}
    with suppress(Exception):  # a runtime that does not answer has a check of its own
        folder = runtime().storage().unpacked
        if folder is not None:
            places["images"] = folder
    devices: dict[int, tuple[list[str], Path]] = {}
    for what, wanted in places.items():
        path = next((one for one in (wanted, *wanted.parents) if one.exists()), Path("/"))
        devices.setdefault(path.stat().st_dev, ([], path))[0].append(what)
    for words, path in devices.values():
        found = os.statvfs(path)
        yield Filesystem(
            " and ".join(words), str(path), found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize, found.f_files, found.f_ffree,
            writable=not found.f_flag & os.ST_RDONLY,
        )  # fmt: skip


def _agent(ctx: Context, kept: Kept) -> Agent:
    state = ctx.settings.state_dir
    systemd, found = service.Systemd.of(os.environ), process.alive(state)
    alive = f"alive, pid {found.get('pid', '?')}, since {found.get('since', '?')}" if found is not None else ""
    pending = tuple(one.name for one in queue.pending(ctx.ledger.workloads())) if kept.workloads else ()
    return Agent(alive, service.looks_after(systemd, state), systemd.here, pending, len(kept.workloads))


def _orphans(ctx: Context, runtime: Runtime) -> Orphans:
    locks = ctx.ledger.kept_locks()
    wanted = {blob.digest for lock in locks for blob in lock.blobs()}
    return Orphans(unreferenced(ctx.store.layout, wanted), orphans(locks, runtime.owned()))
