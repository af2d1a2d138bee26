"""Notifications to systemd (sd_notify(3)): one datagram per message, nothing without NOTIFY_SOCKET."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

SOCKET = "NOTIFY_SOCKET"


def notify(*lines: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Send `READY=1`, `STATUS=...` and others; False without a listener. Never raises: a notification must not end the agent."""
    place = environ.get(SOCKET, "")
    if not place.startswith(("/", "@")):
        return False
    # `@` stands for the NUL byte of the abstract namespace (unix(7)).
    address = f"\0{place[1:]}" if place.startswith("@") else place
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
            # A manager that does not read must not block us: heartbeats and status are repeated.
            door.setblocking(False)  # noqa: FBT003  (the library's own signature)
            door.sendto("\n".join(lines).encode(), address)
    except OSError:
        return False
    return True


def beat_every(environ: Mapping[str, str] = os.environ) -> float | None:
    """Seconds between two `WATCHDOG=1`: half of systemd's timeout. None without a timeout, or with one for another process."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    limit = environ.get("WATCHDOG_USEC", "")
    return int(limit) / 2_000_000 if limit.isascii() and limit.isdigit() and int(limit) else None
