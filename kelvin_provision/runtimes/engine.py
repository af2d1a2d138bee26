"""The line to Docker Engine: opening it, and what its failures are in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kelvin_provision.errors import ImportFailed, PermissionRefused, RuntimeUnreachable
from kelvin_provision.files.sockets import knock
from kelvin_provision.hints import system

if TYPE_CHECKING:
    from docker import APIClient

STATUS = system("systemctl", "status", "docker")

TIMEOUT = 600
"""Seconds without a word: a large layer is unpacked in silence."""


def connect(base_url: str | None) -> APIClient:
    """As in DOCKER_HOST; without, the environment decides. Raises RuntimeUnreachable, PermissionRefused."""
    import docker

    knock(base_url)
    if base_url is None:
        return docker.from_env(timeout=TIMEOUT, version="auto").api
    return docker.APIClient(base_url=base_url, version="auto", timeout=TIMEOUT)


@contextmanager
def speaking() -> Iterator[None]:
    """The only place of the runtime that knows what a dead, forbidden or unwilling engine looks like."""
    import docker
    import requests

    try:
        yield
    except docker.errors.APIError as error:
        raise ImportFailed(f"docker: {error.explanation or error}") from error
    except (docker.errors.DockerException, requests.RequestException, OSError) as error:
        text = str(error)
        if "PermissionError" in text or "Permission denied" in text:
            raise PermissionRefused("docker: no permission on its socket", hint="run as root, or join the group docker") from error
        raise RuntimeUnreachable("Docker Engine does not answer", hint=STATUS, evidence=(text[-200:],)) from error
