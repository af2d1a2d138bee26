"""Requests to one cluster. A busy server is retried; errors of network and server are translated into ours, here and nowhere else."""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kelvin_provision.cluster.kubernetes.api import kubeconfig as files
from kelvin_provision.cluster.kubernetes.api.connections import urllib3_errors
from kelvin_provision.cluster.kubernetes.api.errors import AccessDenied, ServerBusy, WebhookFailed, status_error
from kelvin_provision.cluster.kubernetes.api.login import Login, Server, login_of, server_of
from kelvin_provision.cluster.kubernetes.api.transport import Resource, Transport
from kelvin_provision.errors import ClusterDenied, ClusterUnreachable, PermissionRefused, SettingsInvalid
from kelvin_provision.hints import Hint, system
from kelvin_provision.retry import Backoff
from kelvin_provision.spec.workload import Object

K3S_FOLDER = Path("/etc/rancher/k3s")
CONNECT_TIMEOUT, READ_TIMEOUT = 5.0, 30.0
BUSY_BACKOFF = Backoff(first=0.2, cap=2.0, deadline=8.0)

Query = Sequence[tuple[str, str]]


class Client:
    """Connects on the first request and keeps connections for the next.

    Raises ClusterUnreachable, ClusterDenied, SettingsInvalid, and `errors.Rejected` (which never leaves the package) for what the
    server does not accept.
    """

    def __init__(self, *, kubeconfig: Path, context: str | None) -> None:
        self._kubeconfig = kubeconfig
        self._context = context
        self._transport: Transport | None = None
        self._connecting = threading.Lock()
        self._resources: dict[tuple[str, str], Resource] = {}
        self.server = ""

    def resource(self, api_version: str, kind: str) -> Resource:
        """Raises Rejected `unknown-kind`."""
        if (api_version, kind) not in self._resources:
            with self.translated():
                self._resources[api_version, kind] = self._connected().resource(api_version, kind)
        return self._resources[api_version, kind]

    def invalidate_discovery(self) -> None:
        """Discover kinds again: a CustomResourceDefinition was added or removed."""
        self._resources.clear()
        with self.translated():
            self._connected().invalidate()

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
        """Send one request and read the whole response. A busy server is retried for some seconds, and so is a webhook that it cannot
        call, except for a dry run.
        """
        retried = (ServerBusy,) if ("dryRun", "All") in query else (ServerBusy, WebhookFailed)

        def attempt() -> bytes:
            with self._network_errors():
                return self._connected().request(method, path, query, body=body, content_type=content_type, accept=accept)

        with self._server_errors():
            for delay in BUSY_BACKOFF.delays():
                with suppress(*retried):
                    return attempt()
                time.sleep(delay)
            return attempt()

    def take_warnings(self) -> tuple[str, ...]:
        """What the server warned of in its answers to this thread, since the last call."""
        return self._transport.warnings.take() if self._transport else ()

    def stream(self, path: str, query: Query, *, seconds: float, accept: str = "application/json") -> Watch:
        """Open a response that the server ends after `seconds`."""
        with self.translated():
            return Watch(self, self._connected().stream(path, query, accept=accept, timeouts=(CONNECT_TIMEOUT, seconds + READ_TIMEOUT)))

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Translate errors of the network and of the server."""
        with self._server_errors(), self._network_errors():
            yield

    @contextmanager
    def _server_errors(self) -> Iterator[None]:
        try:
            yield
        except ServerBusy as error:
            raise ClusterUnreachable(f"the cluster at {self.server} is busy: {error}", hint=self._hint()) from error
        except AccessDenied as error:
            raise ClusterDenied(f"the cluster at {self.server} denies access: {error}") from error

    @contextmanager
    def _network_errors(self) -> Iterator[None]:
        """Translate the ways in which an unreachable server shows itself."""
        try:
            yield
        except (HTTPException, OSError) as error:
            cause = str(error) or type(error).__name__
            raise ClusterUnreachable(f"the cluster does not answer on {self.server}: {cause}", hint=self._hint()) from error

    def _hint(self) -> Hint:
        if self._kubeconfig.is_relative_to(K3S_FOLDER):
            return system("systemctl", "status", "k3s")
        return system("kubectl", "--kubeconfig", str(self._kubeconfig), "get", "nodes")

    def _connected(self) -> Transport:
        with self._connecting:
            if self._transport is None:
                server, login = self._login()
                proxy = server.proxy or environment_proxy(server.url)
                self._transport, self.server = Transport(server, login, timeouts=(CONNECT_TIMEOUT, READ_TIMEOUT), proxy=proxy), server.url
            return self._transport

    def _login(self) -> tuple[Server, Login]:
        path = self._kubeconfig
        try:
            kubeconfig = files.read(path, self._context)
            server, login = server_of(kubeconfig), login_of(kubeconfig)
            if login is None:
                from kelvin_provision.cluster.kubernetes.api.auth_provider import AuthProviderLogin

                login = AuthProviderLogin(path, self._context)
        except PermissionError as error:
            raise PermissionRefused(f"no permission to read {error.filename or path}") from error
        except OSError as error:
            hint = "set cluster.kubeconfig, or KUBECONFIG"
            raise ClusterUnreachable(f"the kubeconfig {path} cannot be read: {error.strerror}: {error.filename}", hint=hint) from error
        except ValueError as error:
            raise SettingsInvalid(f"the kubeconfig {path} is not valid: {error}") from error
        return server, login


class Watch:
    """An open response. It ends when the server ends it, or by `close`, which may be called from another thread."""

    def __init__(self, client: Client, response: Any) -> None:
        self._client = client
        self._response = response

    def __iter__(self) -> Iterator[tuple[str, Object]]:
        """Yield events: `(ADDED | MODIFIED | DELETED | BOOKMARK, object)`. Raises ResourceExpired and ClusterUnreachable."""
        rest = b""
        with self._client.translated(), urllib3_errors():
            for chunk in self._response.stream(None, decode_content=False):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in filter(None, lines):
                    event = _event(line)
                    if event["type"] == "ERROR":
                        raise status_error(int(event["object"].get("code") or 500), json.dumps(event["object"]))
                    yield event["type"], event["object"]

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes of a response without events, such as a log. Raises ClusterUnreachable."""
        with self._client.translated(), urllib3_errors():
            yield from self._response.stream(64 * 1024, decode_content=False)

    def close(self) -> None:
        """End the iteration at once, even while another thread waits for the next event."""
        connection = self._response.connection
        if connection is None or connection.sock is None:  # the response has ended
            return
        with suppress(OSError):
            # Not the TLS socket's own shutdown: it drops its keys first, and the reader would take encrypted bytes for text.
            socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)


def _event(line: bytes) -> Object:
    try:
        event: Object = json.loads(line)
    except ValueError as error:
        raise ServerBusy("an event was cut off") from error
    return event


def environment_proxy(server: str) -> str:
    """Return the proxy that the environment sets for this server. Private addresses are connected to directly."""
    url = urlsplit(server)
    variables = (f"{url.scheme}_proxy", f"{url.scheme.upper()}_PROXY")
    proxy = next(filter(None, map(os.environ.get, variables)), "")
    if not proxy or _is_private(url.hostname or ""):
        return ""
    from urllib.request import proxy_bypass  # slow to import and rarely needed

    return "" if proxy_bypass(url.netloc) else proxy


def _is_private(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return host == "localhost"
