"""The process between us and a hook: it ends the hook, with all that it has started, when its time is up or we are gone.

We may be killed at any instant. The kernel then closes our end of the line, and the guard hears of it; nothing that a killed command
could have written down would be as sure. It is run as a file of its own, with nothing but the standard library.

    guard.py SECONDS LINE HOOK

It says on LINE, a socket: `pid N`, then `ended CODE`, `timeout CODE` or `stopped CODE`; or `unstartable WHY`.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress

GRACE = 2.0
"""Seconds from SIGTERM to SIGKILL."""


def main(limit: float, line: socket.socket, hook: str) -> None:
    """Start it, wait for the first of three things, clear up, say which."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # an ignored one would be passed on
    try:
        child = subprocess.Popen([hook], start_new_session=True)
    except OSError as error:
        _tell(line, f"unstartable {error.strerror or error}")
        return
    _tell(line, f"pid {child.pid}")
    gone = _gone(child.pid)
    ready = select.select([line.fileno(), gone], [], [], limit)[0]
    how = "ended" if gone in ready else "stopped" if ready else "timeout"
    if how != "ended":
        _kill(child.pid, signal.SIGTERM)
        select.select([gone], [], [], GRACE)
    _kill(child.pid, signal.SIGKILL)  # what it has left behind, too
    select.select([gone], [], [], GRACE)
    code = child.poll()  # None for one that not even SIGKILL ends, such as one that waits for a dead disk: nobody waits for it
    _tell(line, f"{how} {-signal.SIGKILL if code is None else code}")


def _gone(pid: int) -> int:
    """Readable once the hook has ended. It stays a zombie, so that its number, which is its group's, is nobody else's meanwhile."""
    gone, ended = os.pipe()

    def wait() -> None:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        os.close(ended)

    threading.Thread(target=wait, daemon=True).start()
    return gone


def _kill(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _tell(line: socket.socket, text: str) -> None:
    with suppress(OSError):  # nobody listens any more
        line.sendall(f"{text}\n".encode())


if __name__ == "__main__":
    main(float(sys.argv[1]), socket.socket(fileno=int(sys.argv[2])), sys.argv[3])
