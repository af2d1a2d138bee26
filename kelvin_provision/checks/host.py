"""Checks of the host: configuration, clock, permissions, disks. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from kelvin_provision.check_result import CheckFinding, error, ok, warning
from kelvin_provision.checks.configuration import Configuration
from kelvin_provision.hints import command
from kelvin_provision.quantity import format_bytes

CLOCK_WARNING, CLOCK_ERROR = timedelta(minutes=2), timedelta(days=1)
"""How far a clock may be behind. Beyond the second, certificates and logins are no longer valid."""
DISK_ERROR, DISK_WARNING = 0.95, 0.85
"""Used shares of a disk. From 85 % on, kubelets remove images (imageGCHighThresholdPercent)."""
MIN_FREE = 256 << 20
PRUNE = command("images prune")


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
class Permissions:
    """A file or folder: who else may enter or write. `mode` are its permission bits; `mine`: it belongs to whoever asks, or to root."""

    path: str
    mode: int
    mine: bool
    secret: bool = True


def configuration(found: Configuration) -> Iterator[CheckFinding]:
    """`configuration`: every file and variable is right."""
    for text in found.findings:
        yield error(text, "correct it; doctor uses the defaults until then")
    if not found.findings:
        files = ", ".join(found.sources)
        if not found.sources:
            yield ok("no settings file; all settings have their defaults")
        else:
            yield ok(f"from {files}")
        if found.settings.registry is None:
            text = "registry is not set: a request without an image URI cannot be deployed"
            yield warning(text, command("config set", "registry", "HOST[:PORT][/PATH]"))


def clock(found: Clock) -> Iterator[CheckFinding]:
    """`clock`: not before anything that this box has seen."""
    behind = found.newest - found.now
    if behind > CLOCK_WARNING:
        text = f"the clock is at {found.now:%Y-%m-%d %H:%M} UTC, before {found.newest:%Y-%m-%d %H:%M}: {found.where}"
        then = "timedatectl set-time 'YYYY-MM-DD HH:MM:SS', or set-ntp true where there is a network"
        yield (error if behind > CLOCK_ERROR else warning)(text, then)
    else:
        yield ok(f"{found.now:%Y-%m-%d %H:%M} UTC, not before any recorded time")


def permissions(places: Sequence[Permissions]) -> Iterator[CheckFinding]:
    """`permissions`: nobody else enters the state or reads a secret, nobody else writes a setting."""
    bad = 0
    for place in places:
        wrong = place.mode & (0o077 if place.secret else 0o022)
        if wrong:
            bad += 1
            mode = "go-rwx" if place.secret else "go-w"
            yield warning(
                f"{place.path} has mode {place.mode:04o}: others may {'read' if place.secret else 'change'} it",
                f"chmod {mode} {place.path}",
            )
        if not place.mine:
            bad += 1
            yield warning(f"{place.path} belongs to another user", f"ls -ld {place.path}")
    if not bad:
        yield ok(f"closed to others: {len(places)} checked" if places else "no files yet")


def disk(filesystems: Sequence[Filesystem]) -> Iterator[CheckFinding]:
    """`disk`: room for what is to come."""
    poor = 0
    for one in filesystems:
        used = 1 - one.free / one.total if one.total else 0.0
        text = f"{one.what} ({one.path}): {format_bytes(one.free)} of {format_bytes(one.total)} free"
        if not one.writable:
            poor += 1
            yield error(f"{one.what} ({one.path}) cannot be written", f"mount | grep ' on '; findmnt -T {one.path}")
        elif used > DISK_ERROR or one.free < MIN_FREE:
            poor += 1
            yield error(text, PRUNE)
        elif used > DISK_WARNING:
            poor += 1
            yield warning(f"{text}; kubelets remove images from {DISK_WARNING:.0%} on", PRUNE)
    if not poor:
        yield ok("; ".join(f"{format_bytes(one.free)} of {format_bytes(one.total)} free for {one.what}" for one in filesystems))


def inodes(filesystems: Sequence[Filesystem]) -> Iterator[CheckFinding]:
    """`inodes`: a disk with bytes left and no inodes is as full."""
    counted = [one for one in filesystems if one.inodes]
    poor = [one for one in counted if one.inodes_free < one.inodes * 0.05]
    for one in poor:
        yield (warning if one.inodes_free > 1000 else error)(
            f"{one.what} ({one.path}): {one.inodes_free} of {one.inodes} inodes free", PRUNE
        )
    if not poor:
        yield ok("; ".join(f"{one.inodes_free / one.inodes:.0%} free for {one.what}" for one in counted) or "not counted here")
