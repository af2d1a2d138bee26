"""A box whose media are in a folder of the test, the API in front of it, and an agent beside it that has jobs done."""

import pytest

from kelvin_provision import jobs
from tests.kit.agent_thread import agent
from tests.kit.api import serving


@pytest.fixture
def media(tmp_path):
    folder = tmp_path / "media"
    folder.mkdir()
    return folder


@pytest.fixture
def served(box, monkeypatch, tmp_path, media):
    """The API, and an agent beside it that has jobs done. Media are in a folder of the test."""
    monkeypatch.setenv("KELVIN_PROVISION_CLUSTER__TYPE", "docker")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    site = tmp_path / "site.yaml"
    site.write_text(f"media: {{folders: [{media}]}}\n")
    other = type(box)(box.settings.state_dir, like=box)
    with agent(other, jobs=jobs.of_box(box.settings.state_dir, site)), serving(box) as api:
        yield api
    other.close()
