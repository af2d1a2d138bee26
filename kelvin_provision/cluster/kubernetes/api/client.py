"""The door to Kubernetes: plain JSON documents over one of two links, `direct` or `library`.

Every call has a time limit; every foreign error becomes one of ours here and nowhere else.
"""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kelvin_provision.cluster.kubernetes.api.errors import AccessDenied, ServerBusy, status_error
from kelvin_provision.cluster.kubernetes.api.kubeconfig import plain
from kelvin_provision.cluster.kubernetes.api.transport import Direct, plainly
from kelvin_provision.errors import ClusterDenied, ClusterUnreachable
from kelvin_provision.retry import Backoff
from kelvin_provision.spec.workload import Object

if TYPE_CHECKING:
    from kelvin_provision.cluster.kubernetes.api.library import Library

K3S = Path("/etc/rancher/k3s/k3s.yaml")
CONNECT, READ = 5.0, 30.0
PATIENCE = Backoff(first=0.2, cap=2.0, deadline=8.0)

Query = Sequence[tuple[str, str]]


class Client:
    """Requests to one cluster. Connects when first asked; a connection is kept for the next request.

    Raises ClusterUnreachable, ClusterDenied, and `answers.Refused` (never leaves the package) for what the server does not take.
    """

    def __init__(self, *, kubeconfig: Path | None, context: str | None, cache: Path) -> None:
        self._kubeconfig = kubeconfig or K3S
        self._context = context
        self._cache = cache
        self._link: Direct | Library | None = None
        self._connecting = threading.Lock()
        self._known: dict[tuple[str, str], Any] = {}
        self._discovering = threading.Lock()  # the library writes its file of kinds with no thought of other threads
        self.server = ""

    def resource(self, api_version: str, kind: str) -> Any:
        """What discovery knows of a kind: `path()`, `name` and `namespaced`. Raises Refused `unknown-kind`."""
        if (api_version, kind) not in self._known:
            with self._discovering, self.speaking():
                self._known[api_version, kind] = self._connection().resource(api_version, kind)
        return self._known[api_version, kind]

    def forget(self) -> None:
        """Ask anew which kinds there are: a definition has come or gone."""
        self._known.clear()
        with self.speaking():
            self._connection().forget()

    def request(
        self,
        method: str,
        path: str,
        query: Query = (),
        *,
        body: Object | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> bytes:
        """One request and its whole answer; tried again for some seconds while the server says that it cannot now."""

        def once() -> bytes:
            with self._translated():
                return self._connection().request(method, path, query, body=body, content_type=content_type, accept=accept)

        with self._spoken():
            for delay in PATIENCE.delays():
                with suppress(ServerBusy):
                    return once()
                time.sleep(delay)
            return once()

    def stream(self, path: str, query: Query, *, seconds: float, accept: str = "application/json") -> Watch:
        """An answer that goes on for so many seconds."""
        with self.speaking():
            return Watch(self, self._connection().stream(path, query, accept=accept, timeout=(CONNECT, seconds + READ)))

    @contextmanager
    def speaking(self) -> Iterator[None]:
        """The door: errors of libraries and server become ours."""
        with self._spoken(), self._translated():
            yield

    @contextmanager
    def _spoken(self) -> Iterator[None]:
        """What is ours already, in the words that leave the package."""
        try:
            yield
        except ServerBusy as error:
            raise ClusterUnreachable(f"the cluster at {self.server} cannot now: {error}", hint=self._hint()) from error
        except AccessDenied as error:
            raise ClusterDenied(f"the cluster at {self.server} refuses: {error}") from error

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """The only place that knows what a server that is away looks like."""
        try:
            yield
        except (HTTPException, OSError) as error:
            cause = str(error) or type(error).__name__
            raise ClusterUnreachable(f"the cluster does not answer on {self.server}: {cause}", hint=self._hint()) from error

    def _hint(self) -> str:
        if self._kubeconfig == K3S:
            return "systemctl status k3s"
        return f"kubectl --kubeconfig {self._kubeconfig} get nodes"

    def _connection(self) -> Direct | Library:
        with self._connecting:
            if self._link is None:
                self._link = self._connected()
            return self._link

    def _connected(self) -> Direct | Library:
        login = plain(self._kubeconfig, self._context)
        if login is not None and (_near(login.server) or not _proxied()):
            with suppress(ssl.SSLError, ValueError):  # a certificate that is none: the library says so of the whole file
                link = Direct(login, connect=CONNECT, read=READ)
                self.server = login.server
                return link
        from kelvin_provision.cluster.kubernetes.api.library import Library

        library = Library(self._kubeconfig, self._context, self._cache, connect=CONNECT, read=READ, near=_near)
        self.server = library.server
        library.connect()
        return library


class Watch:
    """Events of one kind as they come, until the server or `close` ends it. `close` may be called from another thread."""

    def __init__(self, client: Client, answer: Any) -> None:
        self._client = client
        self._answer = answer

    def __iter__(self) -> Iterator[tuple[str, Object]]:
        """`(ADDED | MODIFIED | DELETED | BOOKMARK, object)`. Raises Gone, or ClusterUnreachable when the line breaks."""
        rest = b""
        with self._client.speaking(), plainly():
            for chunk in self._answer.stream(None, decode_content=False):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in filter(None, lines):
                    event = _event(line)
                    if event["type"] == "ERROR":
                        raise status_error(int(event["object"].get("code") or 500), json.dumps(event["object"]))
                    yield event["type"], event["object"]

    def chunks(self) -> Iterator[bytes]:
        """The bytes as they come, where they are no events. Raises ClusterUnreachable when the line breaks."""
        with self._client.speaking(), plainly():
            yield from self._answer.stream(64 * 1024, decode_content=False)

    def close(self) -> None:
        """End it now, even while another thread waits for its next event."""
        connection = self._answer.connection
        if connection is None or connection.sock is None:  # ended by itself
            return
        with suppress(OSError):
            # Not the TLS socket's own: that one forgets its keys first, and the reader would take ciphers for text.
            socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)


def _event(line: bytes) -> Object:
    try:
        found: Object = json.loads(line)
    except ValueError as error:
        raise ServerBusy("the server's event is cut off") from error
    return found


def _near(server: str) -> bool:
    """Whether the address is of this box or its site: a proxy of the environment is meant for others."""
    host = urlsplit(server).hostname or ""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return host == "localhost"


def _proxied() -> bool:
    """Whether the environment names a proxy for https."""
    return bool(os.environ.get("https_proxy") or os.environ.get("HTTPS_PROXY"))
