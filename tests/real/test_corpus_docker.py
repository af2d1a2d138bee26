"""The app manifests of tests/corpus on a real Docker Engine: their whole life, all in one transaction."""

import contextlib
import os

import docker
import pytest

from kelvin_provision.settings.model import ClusterSettings, RuntimeSettings
from tests.kit import corpus
from tests.kit.corpus_life import Life, box, push_images
from tests.kit.servers.reserved import free_port

pytestmark = pytest.mark.docker


def requests(unique, registry, version, port):
    for case in corpus.of_groups(corpus.APPS):
        (document,) = case.documents(version=version, unique=unique, registry=registry)
        system = (document.value["payload"].get("defaults") or {}).get("system") or {}
        for item in system.get("ports") or ():
            if "host" in item:
                item["host"]["port"] = port
            elif "exposed_port" in item["service"]:
                item["service"]["exposed_port"] += 1  # kube-proxy may listen on the other one, for the same file
        yield document


def test_a_whole_life(dockerd, tmp_path, registry):
    unique, port = f"c{os.getpid()}", free_port()
    push_images(registry, unique)
    settings = {"cluster": ClusterSettings(type="docker", name="edge"), "runtime": RuntimeSettings(type="docker", address=dockerd)}
    with contextlib.closing(docker.APIClient(dockerd, timeout=60)) as client, box(tmp_path, registry, **settings) as ctx:
        life = Life(ctx, lambda version: requests(unique, registry, version, port))
        life.whole()
        ours = {"label": [f"kelvin-provision/workload={name}" for name in life.names]}
        left = [client.containers(all=True, filters={"label": label}) for label in ours["label"]]
        left += [client.volumes(filters={"label": label})["Volumes"] or [] for label in ours["label"]]
        assert [item for items in left for item in items] == []
