"""Speaking to the API server through the dynamic client, for kubeconfigs whose login it knows how to get.

Typed models are never imported: they cost 26 MiB of memory. Discovery is kept in a file of ours, never in the shared temporary folder.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from kelvin_provision.cluster.kubernetes.api.errors import Rejected, status_error
from kelvin_provision.cluster.kubernetes.api.transport import plainly
from kelvin_provision.errors import ClusterUnreachable, PermissionRefused, SettingsInvalid
from kelvin_provision.files.durable import private_folder
from kelvin_provision.files.hashing import sha256_hex


class Library:
    """The same verbs as `direct.Direct`. `near` says whether a proxy of the environment is meant for others."""

    def __init__(self, kubeconfig: Path, context: str | None, cache: Path, *, connect: float, read: float, near: Any) -> None:
        from kubernetes import client, config
        from urllib3 import Retry

        settings = client.Configuration()
        _load(kubeconfig, context, config, settings)
        settings.retries = Retry(total=1, connect=0, redirect=0, allowed_methods=None)
        self.server = str(settings.host)
        if near(self.server):
            settings.proxy = None
        self._settings, self._cache, self._limits = settings, cache, (connect, read)

    @cached_property
    def _client(self) -> Any:
        """Making it asks the server already."""
        from kubernetes import client
        from kubernetes.dynamic import DynamicClient

        limits = self._limits

        class Patient(DynamicClient):
            """Discovery asks without a time limit; this gives it one."""

            def request(self, method: str, path: str, body: Any = None, **params: Any) -> Any:
                return super().request(method, path, body, **{"_request_timeout": limits} | params)

        return Patient(client.ApiClient(self._settings), cache_file=str(_discovered(self._cache, self.server)))  # type: ignore[no-untyped-call]

    def connect(self) -> None:
        """In one thread, before others ask: discovery writes its file with no thought of them."""
        with _translated():
            _ = self._client

    def resource(self, api_version: str, kind: str) -> Any:
        """See direct.Direct.resource."""
        from kubernetes.dynamic.exceptions import ResourceNotFoundError, ResourceNotUniqueError

        with _translated():
            try:
                return self._client.resources.get(api_version=api_version, kind=kind)
            except (ResourceNotFoundError, ResourceNotUniqueError) as error:
                raise Rejected("unknown-kind", f"this cluster knows no {kind} of {api_version}") from error

    def forget(self) -> None:
        """See direct.Direct.forget."""
        with _translated():
            self._client.resources.invalidate_cache()

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
        """See direct.Direct.request."""
        sent = {"content_type": content_type, "header_params": {"Accept": accept}, "query_params": list(query)}
        with _translated():
            data: bytes = self._client.request(method, path, body=body, serialize=False, **sent).data
            return data

    def stream(self, path: str, query: Sequence[tuple[str, str]], *, accept: str, timeout: tuple[float, float]) -> Any:
        """See direct.Direct.stream."""
        sent = {"query_params": list(query), "header_params": {"Accept": accept}, "_request_timeout": timeout}
        with _translated():
            return self._client.request("get", path, serialize=False, **sent)


@contextmanager
def _translated() -> Iterator[None]:
    """The only place that knows what the library's own errors look like."""
    from kubernetes.client.exceptions import ApiException

    try:
        with plainly():
            yield
    except ApiException as error:
        if not error.status:  # a broken TLS handshake comes with status 0
            raise OSError(str(error.reason)) from error
        raise status_error(error.status, error.body) from error


def _load(kubeconfig: Path, context: str | None, config: Any, settings: Any) -> None:
    """The kubeconfig into the settings."""
    try:
        kubeconfig.open("rb").close()
        config.load_kube_config(str(kubeconfig), context, settings, persist_config=False)
    except PermissionError as error:
        raise PermissionRefused(f"no permission to read {kubeconfig}") from error
    except OSError as error:
        hint = "set cluster.kubeconfig, or KUBECONFIG"
        raise ClusterUnreachable(f"the kubeconfig {kubeconfig} cannot be read: {error.strerror}", hint=hint) from error
    except Exception as error:  # its own class for some mistakes, and whatever YAML and base64 raise for others
        raise SettingsInvalid(f"the kubeconfig {kubeconfig} is not right: {error}") from error


def _discovered(cache: Path, server: str) -> Path:
    """The file with the kinds of this very server. One that a power cut tore is dropped, before the library complains of it."""
    private_folder(cache)
    path = cache / f"discovery-{sha256_hex(server)[:10]}.json"
    try:
        json.loads(path.read_bytes())
    except (OSError, ValueError):
        path.unlink(missing_ok=True)
    return path
