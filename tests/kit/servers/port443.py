"""Clients that know no other port: an address of this process alone, whose port 443 leads to a server on this machine."""

import contextlib
import os

import pytest

from tests.kit.servers.line import Line


def own_address():
    """All of 127.0.0.0/8 is this machine."""
    pid = os.getpid()
    return f"127.{64 + (pid >> 16) % 64}.{(pid >> 8) % 256}.{pid % 256}"


@contextlib.contextmanager
def at_443(port):
    """Yields that address. Skips for users who may not listen on such a port."""
    line = Line(port, own_address(), 443)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(line)
        except PermissionError as error:
            pytest.skip(f"port 443: {error}")
        yield own_address()
