"""Where the API listens: plain HTTP at addresses of this box only, TLS at those that other machines can reach."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from kelvin_provision.errors import ListenFailed
from kelvin_provision.tls.listen import bracketed, is_secure, split

BACKLOG = 128


@dataclass(frozen=True)
class Listener:
    """An open socket. `secure`: it speaks TLS."""

    socket: socket.socket
    secure: bool = False

    @property
    def url(self) -> str:
        """`http://127.0.0.1:30000`, with the port that it has."""
        host, port = self.socket.getsockname()[:2]
        return f"http{'s' if self.secure else ''}://{bracketed(host)}:{port}"


def listening(addresses: Sequence[str], *, insecure: bool = False, unsent: int | None = None) -> list[Listener]:
    """A socket for each address. Raises ListenRefused, ListenFailed.

    `unsent`: bytes of each connection that the kernel takes beyond what is on its way; None for as many as it likes.
    """
    secure = [is_secure(address, insecure=insecure) for address in addresses]
    opened: list[Listener] = []
    try:
        opened.extend(Listener(_bound(address), tls) for address, tls in zip(addresses, secure, strict=True))
        if unsent is not None:
            for listener in opened:
                listener.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, unsent)  # connections inherit it
    except BaseException:
        for listener in opened:
            listener.socket.close()
        raise
    return opened


def adopted(sockets: Sequence[socket.socket], *, insecure: bool) -> list[Listener]:
    """Those that systemd has opened, with TLS where an address in the settings would have it. Raises ListenRefused."""
    listeners = []
    for opened in sockets:
        opened.settimeout(0)
        plain = Listener(opened).url.partition("://")[2]
        listeners.append(Listener(opened, is_secure(plain, insecure=insecure)))
    return listeners


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
