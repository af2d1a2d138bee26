"""The one module that speaks to Kubernetes, through the dynamic client and plain JSON documents only.

Every call has a time limit; every foreign error becomes one of ours here and nowhere else. Typed models are never imported:
they cost 26 MiB of memory. Discovery is kept in a file of ours, never in the shared temporary folder.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kelvin_provision.cluster.kubernetes.answers import Busy, Denied, Refused, meaning
from kelvin_provision.errors import ClusterDenied, ClusterUnreachable, PermissionRefused, SettingsInvalid
from kelvin_provision.files.durable import private_folder
from kelvin_provision.retry import Backoff
from kelvin_provision.spec.workload import Object

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
        self._dynamic: Any = None
        self._known: dict[tuple[str, str], Any] = {}
        self._discovering = threading.Lock()  # the library writes its file of kinds with no thought of other threads
        self.server = ""

    def resource(self, api_version: str, kind: str) -> Any:
        """What discovery knows of a kind: `path()` and `namespaced`. Raises Refused `unknown-kind`."""
        from kubernetes.dynamic.exceptions import ResourceNotFoundError, ResourceNotUniqueError

        if (api_version, kind) not in self._known:
            with self._discovering, self._spoken(), self._translated():
                try:
                    self._known[api_version, kind] = self._connection().resources.get(api_version=api_version, kind=kind)
                except (ResourceNotFoundError, ResourceNotUniqueError) as error:
                    raise Refused("unknown-kind", f"this cluster knows no {kind} of {api_version}") from error
        return self._known[api_version, kind]

    def forget(self) -> None:
        """Ask anew which kinds there are: a definition has come or gone."""
        self._known.clear()
        with self._spoken(), self._translated():
            self._connection().resources.invalidate_cache()

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
            sent = {"content_type": content_type, "header_params": {"Accept": accept}, "query_params": list(query)}
            with self._translated():
                data: bytes = self._connection().request(method, path, body=body, serialize=False, **sent).data
                return data

        with self._spoken():
            for delay in PATIENCE.delays():
                with suppress(Busy):
                    return once()
                time.sleep(delay)
            return once()

    def stream(self, path: str, query: Query, *, seconds: float, accept: str = "application/json") -> Watch:
        """An answer that goes on for so many seconds."""
        with self.speaking():
            headers = {"Accept": accept}
            sent = {"query_params": list(query), "header_params": headers, "_request_timeout": (CONNECT, seconds + READ)}
            return Watch(self, self._connection().request("get", path, serialize=False, **sent))

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
        except Busy as error:
            raise ClusterUnreachable(f"the cluster at {self.server} cannot now: {error}", hint=self._hint()) from error
        except Denied as error:
            raise ClusterDenied(f"the cluster at {self.server} refuses: {error}") from error

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """The only place that knows what the libraries' errors look like."""
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        try:
            yield
        except ApiException as error:
            if not error.status:  # a broken TLS handshake comes with status 0
                raise ClusterUnreachable(f"{self.server} does not answer: {error.reason}", hint=self._hint()) from error
            raise meaning(error.status, error.body) from error
        except (HTTPError, OSError) as error:
            cause = getattr(error, "reason", None) or error
            raise ClusterUnreachable(f"the cluster does not answer on {self.server}: {cause}", hint=self._hint()) from error

    def _hint(self) -> str:
        if self._kubeconfig == K3S:
            return "systemctl status k3s"
        return f"kubectl --kubeconfig {self._kubeconfig} get nodes"

    def _connection(self) -> Any:
        if self._dynamic is None:
            self._dynamic = self._connected()
        return self._dynamic

    def _connected(self) -> Any:
        from kubernetes import client, config
        from kubernetes.dynamic import DynamicClient
        from urllib3 import Retry

        class Patient(DynamicClient):
            """Discovery asks without a time limit; this gives it one."""

            def request(self, method: str, path: str, body: Any = None, **params: Any) -> Any:
                return super().request(method, path, body, **{"_request_timeout": (CONNECT, READ)} | params)

        settings = client.Configuration()
        self._loaded(config, settings)
        # Once more when an idle connection turns out to be dead; everything that we send may be sent twice.
        settings.retries = Retry(total=1, connect=0, redirect=0, allowed_methods=None)
        self.server = str(settings.host)
        if _near(self.server):
            settings.proxy = None
        return Patient(client.ApiClient(settings), cache_file=str(self._discovered()))  # type: ignore[no-untyped-call]

    def _loaded(self, config: Any, settings: Any) -> None:
        """The kubeconfig into the settings."""
        try:
            self._kubeconfig.open("rb").close()
            config.load_kube_config(str(self._kubeconfig), self._context, settings, persist_config=False)
        except PermissionError as error:
            raise PermissionRefused(f"no permission to read {self._kubeconfig}") from error
        except OSError as error:
            hint = "set cluster.kubeconfig, or KUBECONFIG"
            raise ClusterUnreachable(f"the kubeconfig {self._kubeconfig} cannot be read: {error.strerror}", hint=hint) from error
        except Exception as error:  # its own class for some mistakes, and whatever YAML and base64 raise for others
            raise SettingsInvalid(f"the kubeconfig {self._kubeconfig} is not right: {error}") from error

    def _discovered(self) -> Path:
        """The file with the kinds of this very server. One that a power cut tore is dropped, before the library complains of it."""
        private_folder(self._cache)
        path = self._cache / f"discovery-{hashlib.sha256(self.server.encode()).hexdigest()[:10]}.json"
        try:
            json.loads(path.read_bytes())
        except (OSError, ValueError):
            path.unlink(missing_ok=True)
        return path


class Watch:
    """Events of one kind as they come, until the server or `close` ends it. `close` may be called from another thread."""

    def __init__(self, client: Client, answer: Any) -> None:
        self._client = client
        self._answer = answer

    def __iter__(self) -> Iterator[tuple[str, Object]]:
        """`(ADDED | MODIFIED | DELETED | BOOKMARK, object)`. Raises Gone, or ClusterUnreachable when the line breaks."""
        rest = b""
        with self._client.speaking():
            for chunk in self._answer.stream(None, decode_content=False):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in filter(None, lines):
                    event = _event(line)
                    if event["type"] == "ERROR":
                        raise meaning(int(event["object"].get("code") or 500), json.dumps(event["object"]))
                    yield event["type"], event["object"]

    def chunks(self) -> Iterator[bytes]:
        """The bytes as they come, where they are no events. Raises ClusterUnreachable when the line breaks."""
        with self._client.speaking():
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
        raise Busy("the server's event is cut off") from error
    return found


def _near(server: str) -> bool:
    """Whether the address is of this box or its site: a proxy of the environment is meant for others."""
    host = urlsplit(server).hostname or ""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return host == "localhost"
