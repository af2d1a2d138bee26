"""Boxes of the tests of bundles: without a network, or with media in a folder of the test and the API in front of them."""

import pytest

from kelvin_provision.errors import ClusterMissing, RegistryUnreachable, RuntimeUnreachable
from kelvin_provision.jobs import table as job_table
from tests.kit.agent_thread import serving_beside_agent
from tests.kit.box import Box


def offline(path, **settings):
    """A box that reaches no registry."""
    box = Box(path, **settings)
    box.source.down = RegistryUnreachable("no route to host")
    return box


def desk(path, **settings):
    """It has a registry, and neither a runtime nor a cluster."""
    box = Box(path, **settings)
    box.runtime, box.cluster = RuntimeUnreachable("no runtime"), ClusterMissing("no cluster")
    return box


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
    with serving_beside_agent(box, jobs=job_table.of_box(box.settings.state_dir, site)) as api:
        yield api
