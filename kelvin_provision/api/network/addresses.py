"""Where the API listens: plain HTTP on this box, and nowhere else until there is TLS."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from collections.abc import Sequence

from kelvin_provision.errors import ListenFailed, ListenRefused

BACKLOG = 128


def refuse_others(addresses: Sequence[str]) -> None:
    """Raises ListenRefused for an address that other machines can reach: passwords would cross the network readable."""
    for address in addresses:
        try:
            host, _ = split(address)
            loopback = ipaddress.ip_address(host).is_loopback
        except ValueError:
            raise ListenRefused(f"{address} is not an address with a port, such as 127.0.0.1:30000") from None
        if not loopback:
            raise ListenRefused(
                f"{address} can be reached by other machines, and this version has no TLS: passwords could be read on the way"
            )


def split(address: str) -> tuple[str, int]:
    """Raises ValueError."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isascii() or not port.isdecimal() or int(port) > 65535:
        raise ValueError(address)
    return host.removeprefix("[").removesuffix("]"), int(port)


def listening(addresses: Sequence[str]) -> list[socket.socket]:
    """A socket for each address. Raises ListenRefused, ListenFailed."""
    refuse_others(addresses)
    sockets: list[socket.socket] = []
    try:
        sockets.extend(_bound(address) for address in addresses)
    except BaseException:
        for opened in sockets:
            opened.close()
        raise
    return sockets


def _bound(address: str) -> socket.socket:
    host, port = split(address)
    # With its protocol: asyncio sends small writes at once (TCP_NODELAY) only where it sees that, and an answer is two of them.
    opened = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((host, port))
        opened.listen(BACKLOG)
        opened.settimeout(0)
    except OSError as error:
        opened.close()
        reason = "it is in use" if error.errno == errno.EADDRINUSE else os.strerror(error.errno or 0).lower()
        raise ListenFailed(f"cannot listen on {address}: {reason}") from error
    return opened


def shown(opened: socket.socket) -> str:
    """`http://127.0.0.1:30000`, with the port that it has."""
    host, port = opened.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
