"""Debian's docker-registry on loopback."""

import json
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kit.servers.process import connects, running
from tests.kit.servers.reserved import free_port


@contextmanager
def docker_registry(folder: Path, *, extra: dict | None = None, port: int | None = None):
    """A registry with its storage in `folder`; yields `127.0.0.1:PORT`."""
    port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "version": 0.1,
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
        "http": {"addr": f"127.0.0.1:{port}"},
        **(extra or {}),
    }
    (folder / "config.yml").write_text(json.dumps(config))
    with running(["docker-registry", "serve", str(folder / "config.yml")], folder / "log", connects(port)):
        yield f"127.0.0.1:{port}"


@pytest.fixture(scope="session")
def registry(tmp_path_factory):
    """One registry for the whole run; tests use repositories of their own."""
    if not shutil.which("docker-registry"):
        pytest.skip("docker-registry is not installed")
    with docker_registry(tmp_path_factory.mktemp("registry")) as host:
        yield host
