"""A network namespace without any route: loopback, and what an engine makes for its containers in it. Needs root."""

import contextlib
import ctypes
import os
import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.kit.servers.forwarding import pour

_NEW_NETWORK = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def unrouted(registry: str):
    """In the block, this thread and every process that it starts are in a new namespace. The registry must have ended before.

    Fails at the end if a process has connected to the address of the registry, inside or outside, or has sent anything for which
    there was no route.
    """
    host, _, port = registry.partition(":")
    with Path("/proc/thread-self/ns/net").open() as home, socket.create_server((host, int(port))) as outside:
        _call(_LIBC.unshare(_NEW_NETWORK))
        try:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            with socket.create_server((host, int(port))) as inside:
                yield
                assert not default_route(), "there was a way out"
                assert without_route() == 0, "something was sent for which there is no route"
                for listener in (outside, inside):
                    listener.setblocking(False)
                    with contextlib.suppress(BlockingIOError):
                        raise AssertionError(f"the registry was asked by {listener.accept()[1]}")
        finally:
            _call(_LIBC.setns(home.fileno(), _NEW_NETWORK))


def default_route() -> str:
    return subprocess.run(["ip", "route", "show", "default"], check=True, capture_output=True, text=True).stdout


def without_route() -> int:
    """How often the kernel was asked to send something for which there is no route."""
    net = Path("/proc/thread-self/net")
    names, values = ((net / "snmp").read_text().splitlines()[index].split() for index in (0, 1))
    six = dict(line.split() for line in (net / "snmp6").read_text().splitlines())
    return int(dict(zip(names, values, strict=True))["OutNoRoutes"]) + int(six.get("Ip6OutNoRoutes", 0))


def _call(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@contextlib.contextmanager
def door(address: str, port: int):
    """Enter it outside of the namespace. Yields a function to call inside: it forwards this address there to the server outside."""
    with contextlib.ExitStack() as stack:
        outside = stack.enter_context(ThreadPoolExecutor(1))
        outside.submit(int).result()  # now its thread is here, and stays

        def open_inside() -> None:
            subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)
            listener = stack.enter_context(socket.create_server((address, port)))
            outside.submit(_relay, listener, (address, port))
            stack.callback(listener.shutdown, socket.SHUT_RDWR)

        yield open_inside


def _relay(listener: socket.socket, server: tuple[str, int]) -> None:
    """Until it is shut down; nothing of it is left then."""
    with contextlib.ExitStack() as links:
        while True:
            try:
                near = links.enter_context(listener.accept()[0])
            except OSError:
                return
            far = links.enter_context(socket.create_connection(server))
            for ends in ((near, far), (far, near)):
                thread = threading.Thread(target=pour, args=ends)
                thread.start()
                links.callback(thread.join)
            for end in (near, far):
                links.callback(_hang_up, end)


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
