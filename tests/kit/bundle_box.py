"""Boxes of the tests of bundles: without a network, or with media in a folder of the test and the API in front of them."""

from contextlib import closing

import pytest

from kelvin_provision.bundles.inventories.inventory import encode
from kelvin_provision.errors import ClusterMissing, RegistryUnreachable, RuntimeUnreachable
from kelvin_provision.images.box_inventory import box_inventory
from kelvin_provision.jobs import table as job_table
from kelvin_provision.settings.model import ClusterSettings
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


def cut_off(path, name, images, *versions):
    """A box that has these versions of the pump, the last one running, and reaches no registry any more."""
    box = offline(path, registry="r.io", cluster=ClusterSettings(name=name))
    down, box.source.down = box.source.down, None
    box.source.images |= images
    for version in versions:
        box.deploy("pump", version=version)
        box.turn()
        box.command_apply("pump")
    box.source.images.clear()
    box.source.down = down
    return box


def inventory(box, path):
    """Its inventory, as a file for a desk."""
    path.write_bytes(encode(box_inventory(box.ctx).inventory.to_json()))
    return path


@pytest.fixture
def offline_box(request, tmp_path, monkeypatch):
    """A box that would use the REGISTRY of the test's module, and does not reach it."""
    monkeypatch.setenv("KELVIN_PROVISION_REGISTRY", request.module.REGISTRY)
    with closing(offline(tmp_path / "state", registry=request.module.REGISTRY)) as box:
        yield box


@pytest.fixture
def at_desk(request, tmp_path, monkeypatch):
    """A desk whose registry has the IMAGES of the test's module."""
    monkeypatch.setenv("KELVIN_PROVISION_REGISTRY", "r.io")
    with closing(desk(tmp_path / "desk", registry="r.io")) as box:
        box.source.images |= request.module.IMAGES
        yield box


@pytest.fixture
def north(request, tmp_path, monkeypatch):
    """A box of this name that has version 1.0.0 of the IMAGES of the test's module."""
    monkeypatch.setenv("KELVIN_PROVISION_REGISTRY", "r.io")
    monkeypatch.setenv("KELVIN_PROVISION_CLUSTER__NAME", "north")
    with closing(cut_off(tmp_path / "north", "north", request.module.IMAGES, "1.0.0")) as box:
        yield box


@pytest.fixture
def stick(tmp_path):
    """An empty medium."""
    folder = tmp_path / "stick"
    folder.mkdir()
    return folder


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
