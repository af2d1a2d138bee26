"""What a pod reaches, tried from the network namespace of its sandbox. Needs root on the node, and nothing of the pod's image."""

from __future__ import annotations

import ctypes
import errno
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

PROC = Path("/proc")
_CLONE_NEWNET = 0x40000000
_CONNECT_SECONDS = 1.0

Address = tuple[str, int]
T = TypeVar("T")


def can_enter() -> bool:
    """Whether this process may enter network namespaces; the agent's service may not."""
    try:
        return _inside(PROC / "self/ns/net", lambda: True)
    except OSError:
        return False


def sandbox(uid: str, proc: Path = PROC) -> Path | None:
    """The network namespace of the pod of this UID, if its sandbox is up on this node. The kubelet names control groups by UIDs."""
    own = (proc / "self/ns/net").readlink()
    for pid in _processes_of(uid, proc):
        namespace = proc / str(pid) / "ns/net"
        with suppress(OSError):
            if namespace.readlink() != own:
                return namespace
    return None


def reached(namespace: Path, addresses: Collection[Address]) -> frozenset[Address]:
    """Those of the addresses with which a connection is made. Raises OSError where the namespace is gone or closed to us."""
    sockets = _inside(namespace, lambda: {address: _connecting(address) for address in addresses})
    try:
        return frozenset(_connected({address: sock for address, sock in sockets.items() if sock is not None}))
    finally:
        for sock in sockets.values():
            if sock is not None:
                sock.close()


def _processes_of(uid: str, proc: Path) -> Iterator[int]:
    names = (f"pod{uid}", f"pod{uid.replace('-', '_')}")
    for entry in proc.iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                groups = (entry / "cgroup").read_text()
                if any(name in groups for name in names):
                    yield int(entry.name)


def _inside(namespace: Path, work: Callable[[], T]) -> T:
    """In a thread of its own, which alone changes its namespace and ends with it. A socket belongs to where it was made."""
    results: list[T] = []
    errors: list[OSError] = []

    def run() -> None:
        try:
            descriptor = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
            try:
                libc = ctypes.CDLL(None, use_errno=True)
                if libc.setns(descriptor, _CLONE_NEWNET) != 0:
                    code = ctypes.get_errno()
                    raise OSError(code, os.strerror(code))
            finally:
                os.close(descriptor)
            results.append(work())
        except OSError as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="namespace", daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def _connecting(address: Address) -> socket.socket | None:
    """None where there is no route."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    if sock.connect_ex(address) in {0, errno.EINPROGRESS}:
        return sock
    sock.close()
    return None


def _connected(sockets: dict[Address, socket.socket]) -> Iterator[Address]:
    waiting, deadline = dict(sockets), time.monotonic() + _CONNECT_SECONDS
    while waiting and (left := deadline - time.monotonic()) > 0:
        _, writable, _ = select.select([], list(waiting.values()), [], left)
        for address, sock in list(waiting.items()):
            if sock in writable:
                del waiting[address]
                if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                    yield address
