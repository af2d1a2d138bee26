"""Whether a server listens on a unix socket, asked without any client library."""

from __future__ import annotations

import socket


def connect_unix(path: str, timeout: float = 10.0) -> None:
    """Connect and hang up. Raises OSError: "no such file", "connection refused" or "permission denied" tells more than a client library."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(timeout)
        probe.connect(path)
