"""The connection to Docker Engine: opened at the first call; the SDK's errors end here."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kelvin_provision.errors import (
    ClusterDenied,
    ClusterRefused,
    ClusterUnreachable,
    ImportFailed,
    PermissionRefused,
    ProvisionError,
    RuntimeUnreachable,
)
from kelvin_provision.files.sockets import connect_unix
from kelvin_provision.hints import system

if TYPE_CHECKING:
    from docker import APIClient

DEFAULT_SOCKET = Path("/var/run/docker.sock")
STATUS = system("systemctl", "status", "docker")


@dataclass(frozen=True)
class EngineErrors:
    """What a failed call raises: the engine does not answer, we may not use it, it refuses the request."""

    unreachable: type[ProvisionError]
    denied: type[ProvisionError]
    refused: type[ProvisionError]


CLUSTER_ERRORS = EngineErrors(ClusterUnreachable, ClusterDenied, ClusterRefused)
RUNTIME_ERRORS = EngineErrors(RuntimeUnreachable, PermissionRefused, ImportFailed)


def connect(base_url: str | None, *, timeout: int) -> APIClient:
    """A client for a URL; None: DOCKER_HOST, else the default socket. `timeout`: seconds without a byte. Raises OSError and SDK errors."""
    import os

    from kelvin_provision.docker_engine.sdk import docker

    url = base_url or os.environ.get("DOCKER_HOST") or f"unix://{DEFAULT_SOCKET}"
    if url.startswith("unix://"):
        connect_unix(url.removeprefix("unix://"))  # the SDK would lose the reason: no such file, or permission denied
    if base_url is None:
        return docker.from_env(timeout=timeout, version="auto").api
    return docker.APIClient(base_url=base_url, version="auto", timeout=timeout)


class Connection:
    """Opened at the first call. `client` makes the SDK's client."""

    def __init__(self, client: Callable[[], Any], errors: EngineErrors) -> None:
        self._make = client
        self._client: Any = None
        self._opening = threading.Lock()
        self.errors = errors

    @contextmanager
    def call(self) -> Iterator[Any]:
        """The SDK's client, for the time of the block; what it raises there becomes one of our errors."""
        from kelvin_provision.docker_engine.sdk import docker, requests

        try:
            with self._opening:
                if self._client is None:
                    self._client = self._make()
            yield self._client
        except docker.errors.APIError as error:
            raise self._refused(error) from error
        except (docker.errors.DockerException, requests.RequestException, OSError) as error:
            text = str(error)
            if "PermissionError" in text or "Permission denied" in text:
                hint = "run as root, or join the group docker"
                raise self.errors.denied("docker: no permission on the engine's socket", hint=hint) from error
            raise self.errors.unreachable("Docker Engine does not answer", hint=STATUS, evidence=(text,)) from error

    def _refused(self, error: Any) -> ProvisionError:
        """By HTTP status. 409 and 500 are refusals as well: a taken port or name is one of them."""
        message = str(error.explanation or error)
        if error.status_code in {401, 403}:
            return self.errors.denied(f"docker: {message}")
        if error.status_code in {502, 503, 504}:
            return self.errors.unreachable(f"Docker Engine does not answer: {message}", hint=STATUS)
        return self.errors.refused(f"docker: {message}")


@contextmanager
def ignore_missing() -> Iterator[None]:
    """Around a deletion or a stop: what is gone already, or is being removed, is no error."""
    from kelvin_provision.docker_engine.sdk import docker

    try:
        yield
    except docker.errors.NotFound:
        return
    except docker.errors.APIError as error:
        if error.status_code == 409 and "already in progress" in str(error.explanation):
            return
        raise
