"""From a desk to a box that reaches no registry, on real parts: a bundle is made, the registry ends, and the sticks are all there is."""

import contextlib
import json
import os
import re
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.kit.images import SERVE, UNIQUE, program, push
from tests.kit.real_box import Box, kubernetes_settings
from tests.kit.servers.dockerd import own_dockerd, why_not
from tests.kit.servers.registry import docker_registry
from tests.kit.servers.unrouted import door, unrouted
from tests.kit.waiting import until

pytestmark = [pytest.mark.registry, pytest.mark.timeout(400)]
APP = f"stick-{UNIQUE}"


def test_a_box_without_a_registry_is_served_by_two_sticks_one_after_the_other(box, tmp_path):
    first, second, desk = tmp_path / "first", tmp_path / "second", tmp_path / "desk"
    for folder in (first, second, desk):
        folder.mkdir()
    with docker_registry(tmp_path / "desk-registry") as host:
        push(host, APP, "1.0.0", program(SERVE, {"www/index.html": b"here\n", "large": os.urandom(6 << 20)}))
        at_desk = Box(desk, host, {}, APP)
        at_desk.run("bundle", "create", at_desk.request("pump", "1.0.0"), "--to", str(first), "--name", "north", "--part-size", "4MiB")
    later = first / "north.kpb.002"
    assert later.exists()
    later.rename(second / later.name)
    digest = box.json("bundle", "inspect", str(first))["digest"]
    box.environment["KELVIN_PROVISION_REGISTRY"] = host  # it has ended

    accepted = box.json("bundle", "import", str(first), "--yes", "--expect", digest)["accepted"]
    assert [item["workload"] for item in accepted] == ["pump"]
    until(lambda: "waits for the stick north, part 2" in json.dumps(box.json("workloads", "list")["data"]), seconds=60)
    for file in first.iterdir():
        file.unlink()
    box.run("bundle", "import", str(second), "--yes")
    box.run("workloads", "wait", "pump", "--for", "ready", "--timeout", "100")
    later = second / later.name
    later.unlink()
    box.run("workloads", "apply", "pump")
    assert box.states() == {"pump": ("1.0.0", "running", None)}
    assert [image["source"] for image in box.json("workloads", "show", "pump")["images"]] == ["bundle"]
    (line,) = [entry for entry in box.json("workloads", "history", "pump")["entries"] if entry["action"] == "bundle import"]
    assert f"{digest}, not signed, on {first}/north.kpb.001" in line["detail"]


@pytest.fixture(params=[pytest.param("docker", marks=pytest.mark.docker), pytest.param("kubernetes", marks=pytest.mark.kubernetes)])
def beyond_networks(request):
    """From the registry's name to the settings of a box in a network namespace that leads nowhere. Docker Engine is in it, too; of Kubernetes
    the address of the API leads out of it, and a kubelet that asked the registry would be noticed.
    """

    @contextlib.contextmanager
    def docker_box(host):
        with tempfile.TemporaryDirectory(prefix="engine-") as place, unrouted(host), own_dockerd(Path(place)) as engine:
            yield {"DOCKER_HOST": engine.url, "KELVIN_PROVISION_CLUSTER__TYPE": "docker"}

    @contextlib.contextmanager
    def kubernetes_box(host):
        server = urlsplit(re.search(r"server: \"?([^\",\s]+)", Path(settings["KUBECONFIG"]).read_text())[1])
        with door(server.hostname, server.port) as opened, unrouted(host):
            opened()
            yield settings

    if request.param == "kubernetes":
        settings = kubernetes_settings(request)
        return kubernetes_box
    if reason := why_not():
        pytest.skip(reason)
    return docker_box


def test_a_box_without_any_route_is_served_by_a_stick_and_asks_no_network(beyond_networks, tmp_path):
    stick, folder = tmp_path / "stick", tmp_path / "box"
    stick.mkdir()
    folder.mkdir()
    with docker_registry(tmp_path / "desk-registry") as host:
        push(host, APP, "2.0.0", program(SERVE, {"www/index.html": b"here\n"}))
        at_desk = Box(tmp_path, host, {}, APP)
        at_desk.run("bundle", "create", at_desk.request("pump", "2.0.0"), "--to", str(stick))
    with beyond_networks(host) as settings:
        box = Box(folder, host, settings, APP)
        try:
            box.run("bundle", "import", str(stick), "--yes")
            box.run("workloads", "wait", "pump", "--for", "ready", "--timeout", "100")
            box.run("workloads", "apply", "pump")
            assert box.states() == {"pump": ("2.0.0", "running", None)}
            assert [image["source"] for image in box.json("workloads", "show", "pump")["images"]] == ["bundle"]
        finally:
            box.end()
