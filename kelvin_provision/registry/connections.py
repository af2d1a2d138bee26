"""Connections whose answers begin in time.

A socket time-out applies to one read: a server that sends one byte of its headers a second could take hours. When the time is over,
the connection is shut down, which ends the read.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from kelvin_provision.registry.http_errors import ANSWER, AnswerTooSlow


@contextmanager
def ended_after(connection: Any, seconds: float) -> Iterator[None]:
    """Raises AnswerTooSlow when the block takes longer: its reads end then."""
    over = threading.Event()
    watched = connection.sock

    def end() -> None:
        over.set()
        with suppress(OSError, TypeError, AttributeError):
            # not SSLSocket.shutdown, which takes TLS from under the read
            socket.socket.shutdown(getattr(watched, "socket", watched), socket.SHUT_RDWR)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception as error:
        if over.is_set():
            raise AnswerTooSlow from error
        raise
    finally:
        timer.cancel()
    if over.is_set():
        raise AnswerTooSlow


class TimedHTTPConnection(HTTPConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        """`timeout` is that of one read by now."""
        with ended_after(self, ANSWER * float(self.timeout or 0)):
            return super().getresponse()


class TimedHTTPSConnection(HTTPSConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        with ended_after(self, ANSWER * float(self.timeout or 0)):
            return super().getresponse()


class TimedHTTPPool(HTTPConnectionPool):
    ConnectionCls = TimedHTTPConnection


class TimedHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = TimedHTTPSConnection


POOLS = {"http": TimedHTTPPool, "https": TimedHTTPSPool}
