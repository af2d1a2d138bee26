"""What the demo runs on: the k3s or Docker Engine of this machine, else a Docker Engine of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from kelvin_provision.docker_engine.connection import DEFAULT_SOCKET
from kelvin_provision.settings.sources import K3S_KUBECONFIG
from tests.kit.servers.dockerd import own_dockerd, why_not


class Missing(Exception):
    """Something that the demo needs is not here and cannot be started."""


def cluster_settings(folder: Path, stack: ExitStack, say: Callable[[str], None]) -> dict[str, str]:
    """Environment variables that lead our program to a cluster; starts a Docker Engine when there is none."""
    for name in ("docker-registry", "busybox"):
        if not shutil.which(name):
            raise Missing(f"{name} is not installed (Debian packages docker-registry and busybox-static), and only root can install it")
    if os.environ.get("KUBECONFIG") or K3S_KUBECONFIG.exists():
        say(f"using the Kubernetes of {os.environ.get('KUBECONFIG') or K3S_KUBECONFIG}")
        return {}
    address = os.environ.get("DOCKER_HOST") or f"unix://{DEFAULT_SOCKET}"
    if _answers(address):
        say(f"using the Docker Engine on {address}")
        return {"DOCKER_HOST": address}
    if why_not():
        raise Missing(f"no Docker Engine answers and none can be started: {why_not()}")
    say("no Docker Engine answers: starting one with its data in a temporary folder")
    (folder / "docker").mkdir()
    engine = stack.enter_context(own_dockerd(folder / "docker"))
    return {"DOCKER_HOST": engine.url}


def _answers(address: str) -> bool:
    """Whether an engine answers there. Asked without the SDK: a dead socket is a normal answer here."""
    if not shutil.which("docker"):
        return False
    asked = subprocess.run(
        ["docker", "-H", address, "version", "--format", "{{.Server.Version}}"], capture_output=True, timeout=20, check=False, text=True
    )
    return asked.returncode == 0
