"""Numbers that no other test process on this machine has: ports, networks. They are free again when the process ends, and leave no file."""

import socket
from collections.abc import Iterable

_HELD: list[int] = []


def reserve(what: str, numbers: Iterable[int]) -> int:
    """The first number that nobody has reserved, until this process ends: a name in the kernel's list of abstract sockets."""
    for number in numbers:
        holder = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            holder.bind(f"\0kelvin-provision-tests/{what}/{number}")
        except OSError:
            holder.close()
            continue
        _HELD.append(holder.detach())
        return number
    raise RuntimeError(f"no {what} is free")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_port(first: int = 24000, end: int = 30000) -> int:
    """A TCP port below those that the kernel gives out by itself and below node ports, for this process alone."""
    return reserve("port", filter(_is_free, range(first, end)))
