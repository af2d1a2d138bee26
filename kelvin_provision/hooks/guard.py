"""The process between us and a hook: it ends the hook, with all processes of it, at the timeout or when we are gone.

We may be killed at any instant; the kernel then closes our end of the socket, which the guard notices. No file that a killed command leaves
behind would be as reliable. It runs as a file of its own, with the standard library only:

    guard.py SECONDS SOCKET HOOK

It reports on SOCKET, a descriptor: `pid N`, then `exited CODE`, `timeout CODE` or `stopped CODE`; or `unstartable WHY`.
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


def main(timeout: float, reports: socket.socket, hook: str) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the hook would inherit that it is ignored
    try:
        process = subprocess.Popen([hook], start_new_session=True)
    except OSError as error:
        _report(reports, f"unstartable {error.strerror or error}")
        return
    _report(reports, f"pid {process.pid}")
    exited = _exit_descriptor(process.pid)
    ready = select.select([reports.fileno(), exited], [], [], timeout)[0]
    ending = "exited" if exited in ready else "stopped" if ready else "timeout"
    if ending != "exited":
        _kill(process.pid, signal.SIGTERM)
        select.select([exited], [], [], GRACE)
    _kill(process.pid, signal.SIGKILL)  # and what it has started
    select.select([exited], [], [], GRACE)
    code = process.poll()  # None for one that not even SIGKILL ends, such as one that waits for a dead disk: it is not waited for
    _report(reports, f"{ending} {-signal.SIGKILL if code is None else code}")


def _exit_descriptor(pid: int) -> int:
    """Readable once the hook has exited. It stays a zombie until then, so that its process group's number is not used again."""
    readable, writable = os.pipe()

    def wait() -> None:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        os.close(writable)

    threading.Thread(target=wait, daemon=True).start()
    return readable


def _kill(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _report(reports: socket.socket, text: str) -> None:
    with suppress(OSError):  # the other end is closed
        reports.sendall(f"{text}\n".encode())


if __name__ == "__main__":
    main(float(sys.argv[1]), socket.socket(fileno=int(sys.argv[2])), sys.argv[3])
