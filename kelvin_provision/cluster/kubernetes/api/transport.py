"""HTTP and JSON to one API server: discovery, requests and streams, with credentials that may change between two of them."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from kelvin_provision.cluster.kubernetes.api.connections import Connections, Timeouts
from kelvin_provision.cluster.kubernetes.api.errors import Rejected, Unauthorized
from kelvin_provision.cluster.kubernetes.api.login import Login, Server
from kelvin_provision.cluster.kubernetes.api.server_warnings import ServerWarnings


class Resource(NamedTuple):
    """A kind's resource, from discovery."""

    prefix: str
    name: str
    namespaced: bool

    def path(self, *, name: str | None, namespace: str | None) -> str:
        """Return the path of one object, or without a name of all."""
        scope = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{self.prefix}{scope}/{self.name}{f'/{name}' if name else ''}"


class Transport:
    """May be used from any thread. Raises the exceptions of `errors`, OSError and HTTPException."""

    def __init__(self, server: Server, login: Login, *, timeouts: Timeouts, proxy: str = "") -> None:
        self._server, self._login, self._timeouts, self._proxy = server, login, timeouts, proxy
        self._discovered: dict[str, dict[str, Resource]] = {}
        self._lock = threading.Lock()
        self.warnings = ServerWarnings()
        self._connections: Connections | None = None

    def resource(self, api_version: str, kind: str) -> Resource:
        """Raises Rejected `unknown-kind`. A group version is discovered once, and again if it lacks the kind: kinds can be added."""
        if kind not in self._discovered.get(api_version, {}):
            self._discovered[api_version] = self._discover(api_version)
        if kind not in self._discovered[api_version]:
            raise Rejected("unknown-kind", f"this cluster knows no {kind} of {api_version}")
        return self._discovered[api_version][kind]

    def invalidate(self) -> None:
        """Discover all kinds again."""
        self._discovered.clear()

    def _discover(self, api_version: str) -> dict[str, Resource]:
        prefix = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        try:
            response = json.loads(self.request("get", prefix))
        except Rejected as error:
            if error.code in {"missing", "unknown-kind"}:
                return {}
            raise
        resources = [resource for resource in response.get("resources") or () if "/" not in resource["name"]]  # no subresources
        return {resource["kind"]: Resource(prefix, resource["name"], bool(resource["namespaced"])) for resource in resources}

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
        """Send one request and read the whole response. It is sent again if an idle connection turns out to be dead, and after a 401."""
        headers = {"Accept": accept} | ({"Content-Type": content_type} if body is not None else {})
        data = json.dumps(body).encode() if body is not None else None
        try:
            return self._exchange(method.upper(), _target(path, query), data, headers)
        except Unauthorized:
            if not self._login.renew():
                raise
            return self._exchange(method.upper(), _target(path, query), data, headers)

    def _exchange(self, method: str, target: str, body: bytes | None, headers: dict[str, str]) -> bytes:
        connections, headers = self._authorized(headers)
        return connections.exchange(method, target, body, headers)

    def stream(self, path: str, query: Sequence[tuple[str, str]], *, accept: str, timeouts: Timeouts) -> Any:
        """Return an open response of urllib3."""
        connections, headers = self._authorized({"Accept": accept})
        return connections.stream(_target(path, query), headers, timeouts)

    def _authorized(self, headers: dict[str, str]) -> tuple[Connections, dict[str, str]]:
        """Return connections and headers for the present credentials. A new client certificate needs new connections."""
        credentials = self._login.credentials()
        with self._lock:
            if self._connections is None or self._connections.certificate != credentials.certificate:
                self._connections = Connections(self._server, credentials, self._timeouts, self._proxy, self.warnings)
            connections = self._connections
        authorization = {"Authorization": credentials.authorization} if credentials.authorization else {}
        return connections, {"User-Agent": "kelvin-provision", **headers, **authorization}


def _target(path: str, query: Sequence[tuple[str, str]]) -> str:
    return f"{path}?{urlencode(query)}" if query else path
