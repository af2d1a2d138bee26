"""App manifests on a real engine: what a request and an image say of volumes and health."""

import pytest

from kelvin_provision.cluster.protocol import Phase, WaitPolicy
from kelvin_provision.context import silent
from tests.contract.cluster_contract import never, no_secrets, spec
from tests.kit.docker_bench import bench, docker_bench
from tests.kit.images import busybox, make_image
from tests.kit.requests import system_of

__all__ = ["bench", "docker_bench"]
pytestmark = pytest.mark.docker
PATIENCE = WaitPolicy(timeout=20, settle=0.3)
NAME = "motor-speed"


def render(bench, what, revision=1, **system):
    picture = bench.picture(what)
    return bench.cluster.render(spec(NAME, picture, f"{revision}.0.0", system=system_of(system)), picture.locks, revision)


def health(bench, objects, policy=PATIENCE):
    bench.cluster.put(NAME, objects, no_secrets)
    return bench.cluster.wait({NAME: objects}, policy, silent, never)[NAME]


def up(bench, objects):
    found = health(bench, objects)
    assert found.phase is Phase.READY, (found, bench.cluster.evidence(NAME))
    bench.cluster.finish(NAME, objects)


def run(bench, script):
    job = bench.client.exec_create(NAME, ["/bin/sh", "-c", script])
    return bench.client.exec_start(job["Id"]).decode().strip()


def waiting_image(**config):
    """Does nothing, with a working directory that is not the root, and goes when told to."""
    script = "trap 'exit 0' TERM; while :; do sleep 0.2; done"
    return make_image([busybox("sh", "sleep", "cat", "ls", "test")], cmd=("/bin/sh", "-c", script), **config)


def test_a_target_that_is_not_absolute_is_below_the_root_whatever_the_working_directory_is(bench, tmp_path):
    (tmp_path / "given").write_text("of the box")
    bench.made["in-bin"] = lambda: waiting_image(WorkingDir="/bin")
    volumes = [
        {"name": "data", "target": "data", "type": "persistent"},
        {"name": "conf", "target": "./etc/app.conf", "type": "text", "text": {"data": "of the request"}},
        {"name": "box", "target": "box/", "type": "host", "host": {"source": str(tmp_path)}},
    ]
    up(bench, render(bench, "in-bin", volumes=volumes))
    assert run(bench, "cat /etc/app.conf; echo; cat /box/given; ls -d /data") == "of the request\nof the box/data"
    mounts = {mount["Destination"] for mount in bench.client.inspect_container(NAME)["Mounts"]}
    assert mounts == {"/data", "/box"}
