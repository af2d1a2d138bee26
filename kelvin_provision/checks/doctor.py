"""The table of `doctor`, and the facts that its checks need. It repairs nothing; its hints do."""

from __future__ import annotations

import os
import platform as system
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
from kelvin_provision.check_result import CheckFinding, CheckResult, ok
from kelvin_provision.checks import api, certificates, cluster_plan, host, leading, media, node, registries, state
from kelvin_provision.checks.box import filesystems
from kelvin_provision.checks.cluster import cluster_identity, right_cluster
from kelvin_provision.checks.configuration import Configuration
from kelvin_provision.checks.host import Clock, Permissions
from kelvin_provision.checks.runner import Check, Fact, run_checks
from kelvin_provision.checks.signed import trust
from kelvin_provision.checks.state import AgentState, LedgerState, UnusedData
from kelvin_provision.context import Context
from kelvin_provision.errors import StateDamaged
from kelvin_provision.files.lock import holder
from kelvin_provision.images.inventory import orphans
from kelvin_provision.ledger import history, journal
from kelvin_provision.ledger.model.workloads import Workload
from kelvin_provision.ledger.reading.times import newest
from kelvin_provision.ledger.rows.inspection import damage
from kelvin_provision.nodes.overview import site_state
from kelvin_provision.runtimes.protocol import Runtime
from kelvin_provision.settings.keys import SITE
from kelvin_provision.store.gc.unreferenced import unreferenced
from kelvin_provision.systemd.systemctl import Systemd


def versions() -> Iterator[CheckFinding]:
    """`versions`: this program and the host; the cluster and the runtime have checks of their own."""
    release = system.freedesktop_os_release().get("PRETTY_NAME", "") if Path("/etc/os-release").exists() else ""
    prefix = f"{release}, " if release else ""
    yield ok(
        f"kelvin-provision {__version__}, Python {system.python_version()}, {prefix}{system.system()} {system.release()} {system.machine()}"
    )


CHECKS = (
    Check("versions", "Versions", "Needed for every question to support.", versions, ()),
    Check("configuration", "Configuration", "An invalid setting stops every command.", host.configuration, ("configuration", "role")),
    Check(
        "clock",
        "Clock",
        "With a wrong clock, certificates and logins are invalid.",
        host.clock,
        ("clock",),
    ),
    Check("permissions", "Permissions", "Other users must not read state and secrets.", host.permissions, ("paths",)),
    Check(
        "disk",
        "Disk",
        "A full disk stops downloads, imports and the ledger, and makes the kubelet remove images.",
        host.disk,
        ("filesystems",),
    ),
    Check("inodes", "Inodes", "Without inodes no file can be created, however many bytes are free.", host.inodes, ("filesystems",)),
    Check("state", "State", "All commands need the ledger.", state.state, ("ledger",)),
    Check(
        "operations",
        "Interrupted operations",
        "An interrupted operation is undone or finished first.",
        state.operations,
        ("ledger",),
    ),
    Check(
        "agent",
        "Agent",
        "It downloads and imports images; without it, staged images may be missing when they are needed.",
        state.agent,
        ("agent",),
    ),
    Check("cluster", "Cluster", "Everything runs on it; another cluster knows nothing of what runs now.", right_cluster, ("identity",)),
    Check("node", "Node", "A node that is not ready starts no pods; one under pressure removes images.", node.node, ("cluster",)),
    Check("namespace", "Namespace", "Nothing can be created in a namespace that is being deleted.", cluster_plan.namespace, ("cluster",)),
    Check(
        "certificates",
        "Certificates",
        "After a year in storage they have expired, and no component trusts another.",
        certificates.judged,
        ("certificates", "now"),
    ),
    *api.CHECKS,
    *trust.CHECKS,
    media.CHECK,
    registries.CHECK,
    node.SITE,
    Check("runtime", "Runtime", "Images are imported into it, and containers start from it.", node.runtime, ("runtime",)),
    Check(
        "short-names",
        "Short names",
        "With a short name, pods of that image hang although the image exists.",
        node.short_names,
        ("names", "runtime", "workloads"),
    ),
    Check("orphans", "UnusedData", "They use space that the next version needs.", state.orphans, ("orphans",)),
)


ONLINE = (Check("registries", "Registries", "New versions come from them.", registries.registries, ("greetings",)),)
"""With `--online` only: the others need nothing but the box."""


def run(
    ctx: Context,
    configuration: Configuration,
    *,
    skip: Sequence[str] = (),
    online: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> tuple[CheckResult, ...]:
    """Check the whole box; `online`: its registries too. Raises UsageRefused for an unknown id, Interrupted."""
    checks = leading.of_box((*CHECKS, *ONLINE) if online else CHECKS, ctx.settings.state_dir)
    others = {check.id for check in (*CHECKS, *ONLINE)} | leading.IDS
    skip = [check_id for check_id in skip if check_id not in others - {check.id for check in checks}]
    return run_checks(checks, facts(ctx, configuration), skip=skip, stop=stop)


def facts(ctx: Context, configuration: Configuration) -> dict[str, Fact[Any]]:
    """Facts by name. The ledger is opened once, and only if it exists."""
    opened = Fact(lambda: ctx.ledger if ctx.connections.has_ledger else None)
    kept = Fact(lambda: _kept(ctx) if opened() else LedgerState())
    runtime, reached = Fact(lambda: ctx.runtime), Fact(lambda: ctx.connections.cluster)

    def cluster() -> Any:
        opened()
        return reached().state()

    state_fact = Fact(cluster)

    def images() -> Runtime:
        opened()
        return runtime()

    return {
        "configuration": Fact(lambda: configuration),
        "role": Fact(lambda: "member" if leading.is_member(ctx.settings.state_dir) else ""),
        "now": Fact(timestamps.now),
        "trust": trust.fact(ctx.settings.trust, lambda: ctx.trust.document, ctx.settings.state_dir),
        "revoked": Fact(lambda: ctx.ledger.revoked_rows() if opened() else ()),
        "media": media.fact(ctx),
        "follows": Fact(lambda: registries.follows(ctx)),
        "site": Fact(lambda: site_state(ctx, timestamps.now())),
        "clock": Fact(lambda: _clock(ctx, time.time(), newest(ctx.ledger) if opened() else None)),
        "paths": Fact(lambda: tuple(_places(ctx))),
        "filesystems": Fact(lambda: tuple(filesystems(ctx, images))),
        "ledger": kept,
        "workloads": Fact(lambda: _warned(ctx) if opened() else ()),
        "agent": Fact(lambda: _agent(ctx, kept())),
        "cluster": state_fact,
        "identity": Fact(lambda: cluster_identity(ctx, state_fact())),
        "certificates": Fact(lambda: tuple(certificates.read_all(ctx.connections.choice.kubeconfig, ctx.settings.cluster.context))),
        **api.facts(ctx, reached),
        **leading.facts(ctx.settings.state_dir, reached),
        "runtime": Fact(lambda: images().info()),
        "names": Fact(lambda: images().image_names()),
        "greetings": Fact(lambda: registries.greet_all(ctx.source.greet, _hosts(ctx, known=opened() is not None))),
        "orphans": Fact(lambda: _orphans(ctx, images()) if opened() else UnusedData(unreferenced(ctx.store.layout, frozenset()))),
    }


def _kept(ctx: Context) -> LedgerState:
    lock = holder(ctx.settings.state_dir / "lock")
    who = f"{lock.get('user', 'someone')} (pid {lock.get('pid', '?')}): {lock.get('command', '?')}" if lock is not None else ""
    unfinished = None
    with suppress(StateDamaged):  # it is among what is damaged
        unfinished = journal.unfinished(ctx.ledger)
    damaged = tuple(map(str, damage(ctx.ledger)))
    count, staged = ctx.ledger.counts()
    return LedgerState(count, staged, unfinished, history.broken_link(ctx.ledger), who, damaged)


def _hosts(ctx: Context, *, known: bool) -> list[str]:
    return registries.hosts(ctx.settings, ctx.ledger.each() if known else ())


def _warned(ctx: Context) -> tuple[Workload, ...]:
    """Those of which the last observation has warnings: the others are not kept in memory."""
    seen = ctx.ledger.observations(ctx.ledger.running_names())
    return tuple(ctx.ledger.each([name for name, observation in seen.items() if observation and observation.warnings]))


def _clock(ctx: Context, now: float, written: str | None) -> Clock:
    """The newest of: the ledger's last entry, the times of our files, the installation and the first release of this program."""
    seen = [(timestamps.FIRST_RELEASE, "the first release of this program")]
    if written:
        seen.append((timestamps.parse(written), "the last entry of the ledger"))
    state = ctx.settings.state_dir
    for path in (
        Path(__file__),
        *(state / name for name in ("ledger.db", "ledger.db-wal", "verified", "agent.log", "agent.now", "images/index.json")),
    ):
        with suppress(OSError):
            seen.append((datetime.fromtimestamp(path.stat().st_mtime, UTC), f"the modification time of {path}"))
    when, where = max(seen)
    return Clock(datetime.fromtimestamp(now, UTC), when, where)


def _places(ctx: Context) -> Iterator[Permissions]:
    state, secrets = ctx.settings.state_dir, ctx.settings.secrets_dir
    private = [state, state / "ledger.db", *api.private_files(ctx.settings), secrets]
    with suppress(OSError):
        private += sorted(secrets.iterdir())
    for path, secret in [*((path, True) for path in private), (SITE.parent, False), (SITE, False)]:
        with suppress(OSError):
            status = path.stat()
            yield Permissions(str(path), status.st_mode & 0o7777, status.st_uid in {os.geteuid(), 0}, secret)


def _agent(ctx: Context, kept: LedgerState) -> AgentState:
    state = ctx.settings.state_dir
    systemd, running = Systemd.of(os.environ), process.alive(state)
    alive = f"alive, pid {running.get('pid', '?')}, since {running.get('since', '?')}" if running is not None else ""
    unapplied = tuple(ctx.ledger.readable_unapplied().workloads.values()) if kept.workloads else ()
    pending = tuple(workload.name for workload in queue.pending(unapplied)) if kept.workloads else ()
    return AgentState(alive, service.looks_after(systemd, state), systemd.here, pending, kept.workloads, leading.is_member(state))


def _orphans(ctx: Context, runtime: Runtime) -> UnusedData:
    locks = ctx.ledger.kept_locks()
    needed = {blob.digest for lock in locks for blob in lock.blobs_of_all()}
    return UnusedData(unreferenced(ctx.store.layout, needed), orphans(locks, runtime.owned()))
