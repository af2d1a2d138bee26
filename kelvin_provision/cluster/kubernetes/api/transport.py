"""Speaking to the API server without the library, which takes longer to import than most commands take: HTTP and JSON.

For plain kubeconfigs (ADR 0018). A key is never written to a disk: OpenSSL reads it from a file that is in memory only.
"""

from __future__ import annotations

import json
import os
import ssl
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from http.client import HTTPException, HTTPSConnection
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from kelvin_provision.cluster.kubernetes.api.errors import Rejected, status_error
from kelvin_provision.cluster.kubernetes.api.kubeconfig import Plain

WATCHES = 16
"""Streams at a time: one for each kind that is watched, and logs."""


class Resource(NamedTuple):
    """One kind as discovery tells of it."""

    prefix: str
    name: str
    namespaced: bool

    def path(self, *, name: str | None, namespace: str | None) -> str:
        """Of one object, or of all."""
        home = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{self.prefix}{home}/{self.name}{f'/{name}' if name else ''}"


class Direct:
    """Requests to one server; any thread may ask. Raises what `answers.status_error` makes of a refusal, OSError and HTTPException."""

    def __init__(self, login: Plain, *, connect: float, read: float) -> None:
        self.server = login.server
        self._groups: dict[str, dict[str, Resource]] = {}
        self._headers = {"User-Agent": "kelvin-provision"} | ({"Authorization": f"Bearer {login.token}"} if login.token else {})
        self._tls = _context(login)
        self._connect, self._read = connect, read
        self._idle: deque[HTTPSConnection] = deque()
        weakref.finalize(self, _hang_up, self._idle)

    def resource(self, api_version: str, kind: str) -> Resource:
        """Raises Refused `unknown-kind`. A group is asked for once, a kind that is not in it anew each time: definitions come."""
        if kind not in self._groups.get(api_version, {}):
            self._groups[api_version] = self._discovered(api_version)
        if kind not in self._groups[api_version]:
            raise Rejected("unknown-kind", f"this cluster knows no {kind} of {api_version}")
        return self._groups[api_version][kind]

    def forget(self) -> None:
        """Ask anew which kinds there are."""
        self._groups.clear()

    def _discovered(self, api_version: str) -> dict[str, Resource]:
        prefix = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        try:
            found = json.loads(self.request("get", prefix))
        except Rejected as error:
            if error.code in {"missing", "unknown-kind"}:
                return {}
            raise
        kinds = [one for one in found.get("resources") or () if "/" not in one["name"]]
        return {one["kind"]: Resource(prefix, one["name"], bool(one["namespaced"])) for one in kinds}

    def request(
        self,
        method: str,
        path: str,
        query: Sequence[tuple[str, str]] = (),
        *,
        body: Any = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> bytes:
        """One request and its whole answer. Once more when an idle connection turns out to be dead: everything may be sent twice."""
        url = f"{urlsplit(self.server).path}{path}{f'?{urlencode(query)}' if query else ''}"
        headers = {**self._headers, "Accept": accept} | ({"Content-Type": content_type} if body is not None else {})
        sent = json.dumps(body).encode() if body is not None else None
        with suppress(IndexError):
            used = self._idle.pop()
            try:
                return self._exchanged(used, method.upper(), url, sent, headers)
            except (ConnectionError, HTTPException, ssl.SSLError):
                used.close()
        return self._exchanged(self._connected(), method.upper(), url, sent, headers)

    def _connected(self) -> HTTPSConnection:
        place = urlsplit(self.server)
        connection = HTTPSConnection(place.hostname or "", place.port or 443, timeout=self._connect, context=self._tls)
        connection.connect()
        connection.sock.settimeout(self._read)
        return connection

    def _exchanged(self, connection: HTTPSConnection, method: str, url: str, body: bytes | None, headers: dict[str, str]) -> bytes:
        try:
            connection.request(method, url, body=body, headers=headers)
            answer = connection.getresponse()
            data, status = answer.read(), answer.status
        except BaseException:
            connection.close()
            raise
        if answer.will_close:
            connection.close()
        else:
            self._idle.append(connection)
        if not 200 <= status <= 299:
            raise status_error(status, data)
        return data

    @cached_property
    def _pool(self) -> Any:
        """For streams only, which few commands need: what is read as it comes, and may be closed from another thread, is urllib3's art."""
        from urllib3 import PoolManager, Retry

        return PoolManager(maxsize=WATCHES, ssl_context=self._tls, retries=Retry(total=1, connect=0, redirect=0, allowed_methods=None))

    def stream(self, path: str, query: Sequence[tuple[str, str]], *, accept: str, timeout: tuple[float, float]) -> Any:
        """An answer that is read as it comes."""
        from urllib3 import Timeout

        url = f"{self.server}{path}?{urlencode(query)}"
        with plainly():
            headers = {**self._headers, "Accept": accept}
            answer = self._pool.request(
                "GET", url, headers=headers, timeout=Timeout(connect=timeout[0], read=timeout[1]), preload_content=False
            )
            if not 200 <= answer.status <= 299:
                raise status_error(answer.status, answer.data)
            return answer


def _hang_up(idle: deque[HTTPSConnection]) -> None:
    """Whoever forgets a link need not close it."""
    while idle:
        idle.pop().close()


@contextmanager
def plainly() -> Iterator[None]:
    """urllib3's errors as the one that everything else raises when a server is away."""
    from urllib3.exceptions import HTTPError

    try:
        yield
    except HTTPError as error:
        raise OSError(str(getattr(error, "reason", None) or error)) from error


def _context(login: Plain) -> ssl.SSLContext:
    """Raises ssl.SSLError for a certificate or key that is none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=login.authority.decode("ascii", "replace"))
    if login.key:
        with _in_memory(login.certificate) as certificate, _in_memory(login.key) as key:
            context.load_cert_chain(certificate, key)
    return context


@contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    descriptor = os.memfd_create("login", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
