"""Sockets that systemd has opened for a service (sd_listen_fds(3)). They stay open while the service restarts: who connects then waits."""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping

_FIRST = 3


def inherited(environ: MutableMapping[str, str] = os.environ) -> list[socket.socket]:
    """Those for this process; none without systemd. The variables are removed, and no child process inherits the sockets."""
    pid, count = environ.pop("LISTEN_PID", ""), environ.pop("LISTEN_FDS", "")
    environ.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or not (count.isascii() and count.isdigit()):
        return []
    sockets = []
    for number in range(_FIRST, _FIRST + int(count)):
        os.set_inheritable(number, False)  # noqa: FBT003  (the library's own signature)
        sockets.append(socket.socket(fileno=number))
    return sockets
