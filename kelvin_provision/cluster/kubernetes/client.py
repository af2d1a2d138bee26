"""The one module that speaks to Kubernetes, through the dynamic client and plain JSON documents only.

Every call has a time limit; every foreign error becomes one of ours here and nowhere else. Typed models are never imported:
they cost 26 MiB of memory. Discovery is kept in a file of ours, never in the shared temporary folder.
"""

from __future__ import annotations

import hashlib
import json
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kelvin_provision.cluster.kubernetes.answers import Busy, Denied, Refused, meaning
from kelvin_provision.cluster.protocol import MANAGER
from kelvin_provision.errors import ClusterDenied, ClusterUnreachable, PermissionRefused, SettingsInvalid
from kelvin_provision.files.durable import private_folder
from kelvin_provision.retry import Backoff
from kelvin_provision.spec.workload import Object

K3S = Path("/etc/rancher/k3s/k3s.yaml")
CONNECT, READ = 5.0, 30.0
WATCH = 240
"""Seconds that one watch lives on the server before it is listed again."""

PATIENCE = Backoff(first=0.2, cap=2.0, deadline=8.0)
PAGE = 500
METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class Api:
    """One cluster. Connects when first asked; a connection is kept for the next request.

    Raises ClusterUnreachable, ClusterDenied, and `answers.Refused` (never leaves the package) for what the server does not take.
    """

    def __init__(self, *, kubeconfig: Path | None, context: str | None, cache: Path) -> None:
        self._kubeconfig = kubeconfig or K3S
        self._context = context
        self._cache = cache
        self._dynamic: Any = None
        self._known: dict[tuple[str, str], Any] = {}
        self.server = ""

    # --- reading -----------------------------------------------------------------------------------

    def version(self) -> Object:
        """What the server says of itself, asked anew."""
        return self._json("get", "/version")

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """One object, or None."""
        try:
            return self._json("get", self._path(api_version, kind, namespace, name))
        except Refused as error:
            if error.finding in {"missing", "namespace-missing"}:
                return None
            raise

    def items(
        self, api_version: str, kind: str, namespace: str | None, selector: str = "", fields: str = "", *, metadata: bool = False
    ) -> tuple[list[Object], str]:
        """Every object of a kind with the label and field selectors, and the version to watch from. None for all namespaces.

        With `metadata`, nothing but that crosses the wire: no contents of ConfigMaps, no secrets.
        """
        found: list[Object] = []
        more, version = "", ""
        while True:
            asked = _query(labelSelector=selector, fieldSelector=fields, limit=str(PAGE), **{"continue": more})
            page = self._json("get", self._path(api_version, kind, namespace), asked, accept=METADATA if metadata else "application/json")
            version = page["metadata"].get("resourceVersion", "")
            found += [item | {"apiVersion": api_version, "kind": kind} for item in page.get("items") or ()]
            more = page["metadata"].get("continue") or ""
            if not more:
                return found, version

    def log(self, namespace: str, pod: str, container: str, *, lines: int, previous: bool) -> list[str]:
        """The last lines of a container, or of the one before it."""
        asked = _query(container=container, tailLines=str(lines), limitBytes="65536", previous="true" if previous else "")
        text = self._raw("get", f"{self._path('v1', 'Pod', namespace, pod)}/log", asked, accept="*/*").decode(errors="replace")
        return text.splitlines()

    def namespaced(self, api_version: str, kind: str) -> bool:
        """Whether objects of the kind live in a namespace. Raises Refused `unknown-kind`."""
        return bool(self._resource(api_version, kind).namespaced)

    def watch(self, api_version: str, kind: str, namespace: str | None, version: str, *, selector: str = "", fields: str = "") -> Watch:
        """What happens to a kind from a version on."""
        asked = _query(
            watch="true", allowWatchBookmarks="true", resourceVersion=version, timeoutSeconds=str(WATCH),
            labelSelector=selector, fieldSelector=fields,
        )  # fmt: skip
        path = self._path(api_version, kind, namespace)
        with self._speaking():
            answer = self._client().request("get", path, query_params=asked, serialize=False, _request_timeout=(CONNECT, WATCH + READ))
        return Watch(self, answer)

    # --- changing ----------------------------------------------------------------------------------

    def apply(self, value: Object, namespace: str, *, force: bool, dry_run: bool = False) -> Object:
        """Server-side apply under our name; the object as it is afterwards, or would be."""
        api_version, kind, name = value["apiVersion"], value["kind"], value["metadata"]["name"]
        sent = value
        if not self.namespaced(api_version, kind):
            sent = value | {"metadata": {key: item for key, item in value["metadata"].items() if key != "namespace"}}
        asked = _query(fieldManager=MANAGER, force="true" if force else "false", dryRun="All" if dry_run else "")
        path = self._path(api_version, kind, namespace, name)
        return self._json("patch", path, asked, body=sent, content_type="application/apply-patch+yaml")

    def create(self, value: Object, namespace: str, *, dry_run: bool = False) -> Object:
        """A new object."""
        path = self._path(value["apiVersion"], value["kind"], namespace)
        return self._json("post", path, _query(fieldManager=MANAGER, dryRun="All" if dry_run else ""), body=value)

    def delete(self, api_version: str, kind: str, name: str, namespace: str | None, *, uid: str = "", grace: int | None = None) -> bool:
        """Take an object away; what it owns follows in the background. False when it was not there.

        With `uid` only that very object; `grace` are the seconds that a pod has, if not those that it names itself.
        """
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if uid:
            options["preconditions"] = {"uid": uid}
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        try:
            self._json("delete", self._path(api_version, kind, namespace, name), body=options)
        except Refused as error:
            if error.finding in {"missing", "namespace-missing", "unknown-kind"}:
                return False
            raise
        return True

    def forget(self) -> None:
        """Ask anew which kinds there are: a definition has come or gone."""
        self._known.clear()
        with self._speaking():
            self._client().resources.invalidate_cache()

    # --- the door ----------------------------------------------------------------------------------

    def _path(self, api_version: str, kind: str, namespace: str | None, name: str | None = None) -> str:
        resource = self._resource(api_version, kind)
        return str(resource.path(name=name, namespace=namespace if resource.namespaced else None))

    def _resource(self, api_version: str, kind: str) -> Any:
        from kubernetes.dynamic.exceptions import ResourceNotFoundError, ResourceNotUniqueError

        if (api_version, kind) not in self._known:
            with self._speaking():
                try:
                    self._known[api_version, kind] = self._client().resources.get(api_version=api_version, kind=kind)
                except (ResourceNotFoundError, ResourceNotUniqueError) as error:
                    raise Refused("unknown-kind", f"this cluster knows no {kind} of {api_version}") from error
        return self._known[api_version, kind]

    def _json(self, method: str, path: str, query: Sequence[tuple[str, str]] = (), **more: Any) -> Object:
        found = json.loads(self._raw(method, path, query, **more))
        return found if isinstance(found, dict) else {}

    def _raw(
        self,
        method: str,
        path: str,
        query: Sequence[tuple[str, str]] = (),
        *,
        body: Object | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> bytes:
        def once() -> bytes:
            sent = {"content_type": content_type, "header_params": {"Accept": accept}, "query_params": list(query)}
            with self._translated():
                data: bytes = self._client().request(method, path, body=body, serialize=False, **sent).data
                return data

        with self._spoken():
            for delay in PATIENCE.delays():
                with suppress(Busy):
                    return once()
                time.sleep(delay)
            return once()

    @contextmanager
    def _speaking(self) -> Iterator[None]:
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

    def _client(self) -> Any:
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
        settings.retries = Retry(total=1, connect=0, redirect=0)
        self.server = str(settings.host)
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

    def __init__(self, api: Api, answer: Any) -> None:
        self._api = api
        self._answer = answer

    def __iter__(self) -> Iterator[tuple[str, Object]]:
        """`(ADDED | MODIFIED | DELETED | BOOKMARK, object)`. Raises Gone, or ClusterUnreachable when the line breaks."""
        rest = b""
        with self._api._speaking():  # noqa: SLF001  (the same door)
            for chunk in self._answer.stream(None, decode_content=False):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in filter(None, lines):
                    event = _event(line)
                    if event["type"] == "ERROR":
                        raise meaning(int(event["object"].get("code") or 500), json.dumps(event["object"]))
                    yield event["type"], event["object"]

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


def _query(**given: str) -> list[tuple[str, str]]:
    return [(name, value) for name, value in given.items() if value]
