"""Checks of the box itself: clock, disks, permissions, state, agent, runtime, node. Pure, over plain facts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from kelvin_provision.checks.configuration import Configuration
from kelvin_provision.cluster.survey import ClusterState
from kelvin_provision.errors import ReferenceInvalid
from kelvin_provision.hints import command
from kelvin_provision.ledger.model import Operation, Workload
from kelvin_provision.quantity import format_bytes
from kelvin_provision.refs import Reference
from kelvin_provision.runtimes.protocol import RuntimeInfo
from kelvin_provision.store.gc.unreferenced import Unreferenced
from kelvin_provision.verdict import Found, error, ok, skipped, warning

STEP, JUMP = timedelta(minutes=2), timedelta(days=1)
"""A clock that is set back by less is nothing; by more than the second, certificates and logins stop to hold."""
FULL, CROWDED = 0.95, 0.85
"""Shares of a disk in use. From 85 % on kubelets throw images away (imageGCHighThresholdPercent)."""
LEAST = 256 << 20
PRUNE = command("images prune")
PRUNE_ORPHANS = command("images prune", "--orphans")
INSTALL = command("agent install")
TROUBLED = ("CreateContainerError", "failed to get image", "failed to resolve image")


@dataclass(frozen=True)
class Clock:
    """`newest` is the latest time that this box has ever seen, as far as something was written; `where` that stands."""

    now: datetime
    newest: datetime
    where: str


@dataclass(frozen=True)
class Filesystem:
    """Where something of ours lies. Bytes and inodes; a filesystem without a number of inodes has 0 of them."""

    what: str
    path: str
    total: int
    free: int
    inodes: int = 0
    inodes_free: int = 0
    writable: bool = True


@dataclass(frozen=True)
class Place:
    """A file or folder: who else may enter or write. `mode` are its permission bits; `mine`: it belongs to whoever asks, or to root."""

    path: str
    mode: int
    mine: bool
    secret: bool = True


@dataclass(frozen=True)
class Kept:
    """What the ledger knows. `holder` says who holds the operator lock now, empty for nobody."""

    workloads: tuple[Workload, ...] = ()
    unfinished: Operation | None = None
    broken: int | None = None
    holder: str = ""


@dataclass(frozen=True)
class Agent:
    """`alive` in words, empty when it is not; `service`: systemd starts it with the box; `systemd`: there is one here."""

    alive: str
    service: bool
    systemd: bool
    pending: tuple[str, ...] = ()
    workloads: int = 0


@dataclass(frozen=True)
class Orphans:
    """What nobody needs: in the store, and names in the runtime that carry our label."""

    store: Unreferenced
    runtime: tuple[str, ...] = ()


def configuration(found: Configuration) -> Iterator[Found]:
    """`configuration`: every file and variable is right."""
    for text in found.findings:
        yield error(text, "correct it; until then doctor looks with the defaults")
    if not found.findings:
        files = ", ".join(found.sources)
        if not found.sources:
            yield ok("there is no file, every setting is its default")
        else:
            yield ok(f"from {files}")
        if found.settings.registry is None:
            text = "registry is not set: a request without an image URI cannot be deployed"
            yield warning(text, command("config set", "registry", "HOST[:PORT][/PATH]"))


def clock(found: Clock) -> Iterator[Found]:
    """`clock`: not before anything that this box has seen."""
    behind = found.newest - found.now
    if behind > STEP:
        text = f"it says {found.now:%Y-%m-%d %H:%M} UTC, which is before {found.newest:%Y-%m-%d %H:%M}: {found.where}"
        then = "timedatectl set-time 'YYYY-MM-DD HH:MM:SS', or set-ntp true where there is a network"
        yield (error if behind > JUMP else warning)(text, then)
    else:
        yield ok(f"{found.now:%Y-%m-%d %H:%M} UTC, not before anything that was seen here")


def permissions(places: Sequence[Place]) -> Iterator[Found]:
    """`permissions`: nobody else enters the state or reads a secret, nobody else writes a setting."""
    bad = 0
    for place in places:
        wrong = place.mode & (0o077 if place.secret else 0o022)
        if wrong:
            bad += 1
            mode = "go-rwx" if place.secret else "go-w"
            yield warning(
                f"{place.path} has mode {place.mode:04o}: others may {'look into' if place.secret else 'change'} it",
                f"chmod {mode} {place.path}",
            )
        if not place.mine:
            bad += 1
            yield warning(f"{place.path} belongs to another user", f"ls -ld {place.path}")
    if not bad:
        yield ok(f"closed to others: {len(places)} looked at" if places else "there is nothing yet")


def disk(filesystems: Sequence[Filesystem]) -> Iterator[Found]:
    """`disk`: room for what is to come."""
    poor = 0
    for one in filesystems:
        used = 1 - one.free / one.total if one.total else 0.0
        text = f"{one.what} ({one.path}): {format_bytes(one.free)} of {format_bytes(one.total)} free"
        if not one.writable:
            poor += 1
            yield error(f"{one.what} ({one.path}) cannot be written", f"mount | grep ' on '; findmnt -T {one.path}")
        elif used > FULL or one.free < LEAST:
            poor += 1
            yield error(text, PRUNE)
        elif used > CROWDED:
            poor += 1
            yield warning(f"{text}; kubelets throw images away from {CROWDED:.0%} on", PRUNE)
    if not poor:
        yield ok("; ".join(f"{format_bytes(one.free)} of {format_bytes(one.total)} free for {one.what}" for one in filesystems))


def inodes(filesystems: Sequence[Filesystem]) -> Iterator[Found]:
    """`inodes`: a disk with bytes left and no inodes is as full."""
    counted = [one for one in filesystems if one.inodes]
    poor = [one for one in counted if one.inodes_free < one.inodes * 0.05]
    for one in poor:
        yield (warning if one.inodes_free > 1000 else error)(
            f"{one.what} ({one.path}): {one.inodes_free} of {one.inodes} inodes free", PRUNE
        )
    if not poor:
        yield ok("; ".join(f"{one.inodes_free / one.inodes:.0%} free for {one.what}" for one in counted) or "these filesystems count none")


def state(kept: Kept) -> Iterator[Found]:
    """`state`: the ledger can be read, and its history is whole."""
    if kept.broken is not None:
        yield error(f"line {kept.broken} of the history was changed, or one before it removed", command("workloads history", "--verify"))
        return
    staged = sum(one.staged is not None for one in kept.workloads)
    many = len(kept.workloads)
    yield ok(f"{many} workload{'' if many == 1 else 's'}, {staged} staged; the history is whole" if many else "no workload yet")


def operations(kept: Kept) -> Iterator[Found]:
    """`operations`: nothing was left half done."""
    doing = kept.unfinished
    if doing is None:
        yield ok("nothing is half done")
        return
    names = ", ".join(step.workload for step in doing.steps)
    if kept.holder:
        yield ok(f"{doing.kind.value} of {names} is under way: {kept.holder}")
    else:
        where = f"{doing.phase.value}, since {doing.started}"
        text = f"{doing.kind.value} of {names} was interrupted ({where}); the agent or the next change ends it"
        yield warning(text, command("agent run"))


def agent(found: Agent) -> Iterator[Found]:
    """`agent`: alive, and back after a reboot."""
    if not found.alive:
        if not found.workloads:
            yield ok("not needed: there is no workload")
            return
        many = f"{found.workloads} workload{'' if found.workloads == 1 else 's'}"
        doing = f"; {', '.join(found.pending)}: waiting for it" if found.pending else ""
        yield warning(f"not running: nobody looks after {many}{doing}", INSTALL)
    elif not found.service:
        more = "" if found.systemd else " (systemd does not run here)"
        yield warning(f"{found.alive}, but no service: it does not survive a reboot{more}", INSTALL)
    else:
        yield ok(f"{found.alive}, a service")


def node(found: ClusterState) -> Iterator[Found]:
    """`node`: what it says of itself."""
    poor = [one for one in found.conditions if not one.healthy]
    for one in poor:
        yield error(f"{one.name}: {one.message}", one.hint) if one.critical else warning(one.message, one.hint)
    if not poor:
        names = ", ".join(one.name if one.name == "Ready" else f"no {one.name}" for one in found.conditions)
        yield ok(f"{found.info.node}: {names}" if names else f"{found.info.node} warns of nothing")


def runtime(info: RuntimeInfo) -> Iterator[Found]:
    """`runtime`: it answers, and protects what is pinned."""
    if info.pins:
        yield ok(f"{info.name} {info.version}, {info.platform}")
        return
    text = f"{info.name} {info.version}, {info.platform}: its CRI knows no pins (from 1.7 on), the agent puts back what is thrown away"
    yield warning(text, INSTALL)


def short_names(names: Collection[str], info: RuntimeInfo, workloads: Sequence[Workload]) -> Iterator[Found]:
    """`short-names`: containerd takes a name that the kubelet cannot resolve, and pods of that name hang from then on."""
    if info.completes_short_names:
        yield skipped("Docker Engine completes short names by itself")
        return
    short = [(name, full) for name in sorted(names) if (full := _full(name)) and full != name]
    for name, full in short:
        then = f"ctr -n k8s.io images tag {name} {full}; ctr -n k8s.io images rm {name}"
        yield warning(f"{name} is no full name: pods that want {full} hang in CreateContainerError", then)
    hanging = list(_hanging(workloads))
    for name, good, full in hanging:
        then = f"ctr -n k8s.io images tag {good} {full}; ctr -n k8s.io images rm {full}"
        yield warning(f"{name} hangs on its image although it is here: a short name was imported once", then)
    if not short and not hanging:
        yield ok(f"{len(names)} names, all of them full")


def _full(name: str) -> str:
    """The name that Kubernetes makes of it; empty for what is no reference, such as the IDs that the CRI keeps as names."""
    if name.startswith(("sha256:", "sha512:")):
        return ""
    try:
        return str(Reference.parse(name))
    except ReferenceInvalid:
        return ""


def _hanging(workloads: Sequence[Workload]) -> Iterator[tuple[str, str, str]]:
    for one in workloads:
        warnings = one.observation.warnings if one.observation else ()
        if one.running and any(word in text for word in TROUBLED for text in warnings):
            for lock in one.running.locks or ():
                base = lock.reference.repository.rpartition("/")[2]
                yield one.name, lock.name, str(Reference.parse(f"{base}:{lock.reference.tag or 'latest'}"))


def orphans(found: Orphans) -> Iterator[Found]:
    """`orphans`: what takes room and is needed by nobody."""
    kinds = (
        ("blob{}", found.store.blobs),
        ("partial download{}", found.store.partials),
        ("quarantined file{}", found.store.quarantined),
    )
    parts = [f"{count} {what.format('' if count == 1 else 's')} ({format_bytes(weight)})" for what, (count, weight) in kinds if count]
    if found.runtime:
        parts.append(f"{len(found.runtime)} image{'' if len(found.runtime) == 1 else 's'} in the runtime")
    if parts:
        yield warning(f"needed by no kept version: {', '.join(parts)}", PRUNE_ORPHANS if found.runtime else PRUNE)
    else:
        yield ok("no unused data")
