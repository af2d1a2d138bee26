"""Checks of the host: configuration, clock, permissions, disks. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from kelvin_provision import timestamps
from kelvin_provision.check_result import CheckFinding, error, ok, warning
from kelvin_provision.checks.box import Filesystem
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
    """`newest` is the latest time that was recorded on this box, `where` its source."""

    now: datetime
    newest: datetime
    where: str


@dataclass(frozen=True)
class Permissions:
    """A file or directory. `trusted_owner`: it belongs to this user or to root; `secret`: others must not read it."""

    path: str
    mode: int
    trusted_owner: bool
    secret: bool = True


def configuration(settings: Configuration, role: str = "") -> Iterator[CheckFinding]:
    """`configuration`: all files and variables are valid. A member deploys nothing, and needs no registry."""
    for text in settings.findings:
        yield error(text, "correct it; doctor uses the defaults until then")
    if not settings.findings:
        files = ", ".join(settings.sources)
        if not settings.sources:
            yield ok("no settings file; all settings have their defaults")
        else:
            yield ok(f"from {files}")
        if settings.settings.registry is None and role != "member":
            text = "registry is not set: a request without an image URI cannot be deployed"
            yield warning(text, command("config set", "registry", "HOST[:PORT][/PATH]"))


def clock(reading: Clock) -> Iterator[CheckFinding]:
    """`clock`: not before any recorded time."""
    behind = reading.newest - reading.now
    if behind > CLOCK_WARNING:
        text = f"the clock is at {timestamps.of_clock(reading.now)}, before {timestamps.of_clock(reading.newest)}: {reading.where}"
        then = "timedatectl set-time 'YYYY-MM-DD HH:MM:SS', or set-ntp true where there is a network"
        yield (error if behind > CLOCK_ERROR else warning)(text, then)
    else:
        yield ok(f"{timestamps.of_clock(reading.now)}, not before any recorded time")


def permissions(paths: Sequence[Permissions]) -> Iterator[CheckFinding]:
    """`permissions`: others cannot read state and secrets or write settings."""
    bad = 0
    for path in paths:
        wrong = path.mode & (0o077 if path.secret else 0o022)
        if wrong:
            bad += 1
            mode = "go-rwx" if path.secret else "go-w"
            yield warning(
                f"{path.path} has mode {path.mode:04o}: others may {'read' if path.secret else 'change'} it",
                f"chmod {mode} {path.path}",
            )
        if not path.trusted_owner:
            bad += 1
            yield warning(f"{path.path} belongs to another user", f"ls -ld {path.path}")
    if not bad:
        yield ok(f"closed to others: {len(paths)} checked" if paths else "no files yet")


def disk(filesystems: Sequence[Filesystem]) -> Iterator[CheckFinding]:
    """`disk`: enough free space."""
    low = 0
    for filesystem in filesystems:
        used = 1 - filesystem.free / filesystem.total if filesystem.total else 0.0
        text = f"{filesystem.what} ({filesystem.path}): {format_bytes(filesystem.free)} of {format_bytes(filesystem.total)} free"
        if not filesystem.writable:
            low += 1
            yield error(f"{filesystem.what} ({filesystem.path}) cannot be written", f"mount | grep ' on '; findmnt -T {filesystem.path}")
        elif used > DISK_ERROR or filesystem.free < MIN_FREE:
            low += 1
            yield error(text, PRUNE)
        elif used > DISK_WARNING:
            low += 1
            yield warning(f"{text}; kubelets remove images from {DISK_WARNING:.0%} on", PRUNE)
    if not low:
        yield ok("; ".join(_free(filesystem) for filesystem in filesystems))


def inodes(filesystems: Sequence[Filesystem]) -> Iterator[CheckFinding]:
    """`inodes`: enough free inodes."""
    counted = [filesystem for filesystem in filesystems if filesystem.inodes]
    low = [filesystem for filesystem in counted if filesystem.inodes_free < filesystem.inodes * 0.05]
    for filesystem in low:
        yield (warning if filesystem.inodes_free > 1000 else error)(
            f"{filesystem.what} ({filesystem.path}): {filesystem.inodes_free} of {filesystem.inodes} inodes free", PRUNE
        )
    if not low:
        yield ok(
            "; ".join(f"{filesystem.inodes_free / filesystem.inodes:.0%} free for {filesystem.what}" for filesystem in counted)
            or "not counted here"
        )


def _free(filesystem: Filesystem) -> str:
    return f"{format_bytes(filesystem.free)} of {format_bytes(filesystem.total)} free for {filesystem.what}"
