"""What the kernel tells in /proc: listening ports and free memory."""

from __future__ import annotations

from pathlib import Path

PROC = Path("/proc")
_LISTEN = "0A"
_TABLES = {"tcp": ("tcp", "tcp6"), "udp": ("udp", "udp6")}


def listening_ports(proc: Path = PROC) -> frozenset[tuple[int, str]]:
    """Ports with their protocol (tcp, udp) that a process listens on; the local port of a connection does not count."""
    ports = set()
    for protocol, names in _TABLES.items():
        for name in names:
            try:
                rows = (proc / "net" / name).read_text().splitlines()[1:]
            except OSError:  # no IPv6 in this kernel
                continue
            for row in rows:
                _, local, remote, state, *_ = row.split()
                if state == _LISTEN if protocol == "tcp" else remote.endswith(":0000"):
                    ports.add((int(local.rpartition(":")[2], 16), protocol))
    return frozenset(ports)


def available_memory(proc: Path = PROC) -> int | None:
    """MemAvailable in bytes (proc(5)); None when the kernel does not tell."""
    try:
        lines = (proc / "meminfo").read_text("ascii").splitlines()
    except OSError:
        return None
    fields = {name: value for name, _, value in (line.partition(":") for line in lines)}
    words = fields.get("MemAvailable", "").split()
    return int(words[0]) * 1024 if words and words[0].isdigit() else None
