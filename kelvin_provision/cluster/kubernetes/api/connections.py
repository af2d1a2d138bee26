"""Connections to one API server.

Requests go over `http.client`, which imports in a fraction of the time of the `kubernetes` package (ADR 0022). Streams go over
urllib3, which can be read as they come and closed from another thread, and so does everything through a proxy or without TLS.
A key is never written to a disk: OpenSSL reads it from a file that is in memory only.
"""

from __future__ import annotations

import os
import ssl
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from http.client import HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from kelvin_provision.cluster.kubernetes.api.errors import status_error
from kelvin_provision.cluster.kubernetes.api.login import Credentials, Server
from kelvin_provision.cluster.kubernetes.api.server_warnings import ServerWarnings
from kelvin_provision.errors import SettingsInvalid

MAX_STREAMS = 16
"""Open streams at one time: one for each watched kind, and logs."""

Timeouts = tuple[float, float]
"""Seconds to connect, and seconds between two reads."""


class Connections:
    """All connections that use one client certificate. Raises SettingsInvalid for an invalid certificate or key."""

    def __init__(self, server: Server, credentials: Credentials, timeouts: Timeouts, proxy: str, warnings: ServerWarnings) -> None:
        self.certificate = credentials.certificate
        self._url, self._timeouts, self._proxy, self._warnings = server.url, timeouts, proxy, warnings
        self._tls = _tls_context(server, credentials)
        self._direct = server.url.startswith("https://") and not proxy
        self._idle: deque[HTTPSConnection] = deque()
        weakref.finalize(self, _close_all, self._idle)

    def exchange(self, method: str, target: str, body: bytes | None, headers: dict[str, str]) -> bytes:
        if not self._direct:
            return self._pooled(method, target, body, headers)
        target = f"{urlsplit(self._url).path}{target}"
        with suppress(IndexError):
            used = self._idle.pop()
            try:
                return self._over(used, method, target, body, headers)
            except (ConnectionError, HTTPException, ssl.SSLError):
                used.close()
        return self._over(self._connect(), method, target, body, headers)

    def _connect(self) -> HTTPSConnection:
        address, (connect, read) = urlsplit(self._url), self._timeouts
        connection = HTTPSConnection(address.hostname or "", address.port or 443, timeout=connect, context=self._tls)
        connection.connect()
        connection.sock.settimeout(read)
        return connection

    def _over(self, connection: HTTPSConnection, method: str, target: str, body: bytes | None, headers: dict[str, str]) -> bytes:
        try:
            connection.request(method, target, body=body, headers=headers)
            response = connection.getresponse()
            data, status = response.read(), response.status
            self._warnings.record(response.headers.get_all("Warning") or ())
        except BaseException:
            connection.close()
            raise
        if response.will_close:
            connection.close()
        else:
            self._idle.append(connection)
        return _checked(status, data)

    def _pooled(self, method: str, target: str, body: bytes | None, headers: dict[str, str]) -> bytes:
        from urllib3 import Timeout

        connect, read = self._timeouts
        with urllib3_errors():
            response = self._pool.request(
                method, f"{self._url}{target}", body=body, headers=headers, timeout=Timeout(connect=connect, read=read)
            )
            self._warnings.record(response.headers.getlist("Warning"))
            return _checked(response.status, response.data)

    def stream(self, target: str, headers: dict[str, str], timeouts: Timeouts) -> Any:
        from urllib3 import Timeout

        connect, read = timeouts
        with urllib3_errors():
            response = self._pool.request(
                "GET", f"{self._url}{target}", headers=headers, timeout=Timeout(connect=connect, read=read), preload_content=False
            )
            if not 200 <= response.status <= 299:
                raise status_error(response.status, response.data)
            return response

    @cached_property
    def _pool(self) -> Any:
        from urllib3 import PoolManager, ProxyManager, Retry, disable_warnings
        from urllib3.exceptions import InsecureRequestWarning

        if self._tls.verify_mode == ssl.CERT_NONE:  # the kubeconfig asks for it; urllib3 would warn at every request
            disable_warnings(InsecureRequestWarning)
        retries = Retry(total=1, connect=0, redirect=0, allowed_methods=None)
        if self._proxy:
            return ProxyManager(self._proxy, maxsize=MAX_STREAMS, ssl_context=self._tls, retries=retries)
        return PoolManager(maxsize=MAX_STREAMS, ssl_context=self._tls, retries=retries)


def _checked(status: int, data: bytes) -> bytes:
    if not 200 <= status <= 299:
        raise status_error(status, data)
    return data


def _close_all(idle: deque[HTTPSConnection]) -> None:
    """Runs when the connections are garbage collected: a transport needs no `close`."""
    while idle:
        idle.pop().close()


@contextmanager
def urllib3_errors() -> Iterator[None]:
    """Translate urllib3's errors to OSError, which `http.client` raises for the same causes."""
    from urllib3.exceptions import HTTPError

    try:
        yield
    except HTTPError as error:
        raise OSError(str(getattr(error, "reason", None) or error)) from error


class _Context(ssl.SSLContext):
    """Verifies the server's certificate against `tls-server-name` rather than the host of the URL."""

    tls_name = ""

    def wrap_socket(self, *positional: Any, **options: Any) -> ssl.SSLSocket:
        return super().wrap_socket(*positional, **options | ({"server_hostname": self.tls_name} if self.tls_name else {}))


def _tls_context(server: Server, credentials: Credentials) -> ssl.SSLContext:
    context = _Context(ssl.PROTOCOL_TLS_CLIENT)
    context.tls_name = server.tls_name
    try:
        if not server.verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        elif server.authority:
            context.load_verify_locations(cadata=server.authority.decode("ascii", "replace"))
        else:
            context.load_default_certs()
        if credentials.certificate:
            with _in_memory(credentials.certificate) as certificate, _in_memory(credentials.key) as key:
                context.load_cert_chain(certificate, key)
    except (ssl.SSLError, ValueError) as error:
        raise SettingsInvalid(f"a certificate or key of the kubeconfig is not valid: {getattr(error, 'reason', None) or error}") from error
    return context


@contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    descriptor = os.memfd_create("login", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
