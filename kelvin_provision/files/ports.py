"""Which ports of this box are taken, read from the kernel's own tables."""

from __future__ import annotations

from pathlib import Path

_LISTEN = "0A"
_TABLES = {"tcp": ("tcp", "tcp6"), "udp": ("udp", "udp6")}


def taken(folder: Path = Path("/proc/net")) -> frozenset[tuple[int, str]]:
    """Ports with their protocol that something listens on; a connected socket's own port does not count."""
    found = set()
    for protocol, names in _TABLES.items():
        for name in names:
            try:
                rows = (folder / name).read_text().splitlines()[1:]
            except OSError:  # no IPv6, or no such kernel: the engine will say so at the start
                continue
            for row in rows:
                _, local, remote, state, *_ = row.split()
                if state == _LISTEN if protocol == "tcp" else remote.endswith(":0000"):
                    found.add((int(local.rpartition(":")[2], 16), protocol))
    return frozenset(found)
