"""Docker Engine with its other image store: a box that was changed to it knows why nothing runs, and comes up again."""

import tempfile
from pathlib import Path

import pytest

from tests.kit.real_box import Box, push_versions
from tests.kit.servers import newer
from tests.kit.servers.dockerd import own_dockerd, why_not

pytestmark = pytest.mark.docker


@pytest.fixture
def engine():
    """A newer engine with its own image store."""
    if reason := newer.why_not() or why_not():
        pytest.skip(reason)
    with (
        tempfile.TemporaryDirectory(prefix="engine-") as folder,
        own_dockerd(Path(folder), programs=newer.folder(), features={"containerd-snapshotter": False}) as engine,
    ):
        yield engine


@pytest.mark.slow
def test_a_box_that_changes_its_image_store_is_told_and_starts_again(engine, registry, tmp_path):
    push_versions(registry)
    box = Box(tmp_path, registry, {"DOCKER_HOST": engine.url, "KELVIN_PROVISION_CLUSTER__TYPE": "docker"})
    try:
        box.stage("pump", "1.0.0")
        box.run("workloads", "apply", "-n", "pump")
        box.stage("pump", "2.0.0")
        box.stop_agent()
        engine.stop()
        engine.features = {"containerd-snapshotter": True}
        engine.start()

        (line,) = [line for line in box.json("doctor", code=1)["checks"] if line["id"] == "cluster"]
        assert (line["status"], "image store was changed" in line["found"]) == ("error", True)
        box.run(*line["next"].rpartition("kelvin-provision ")[2].split())
        assert box.states()["pump"][:2] == ("1.0.0", "running")
        after = {line["id"]: (line["status"], line["found"]) for line in box.json("doctor")["checks"]}
        assert after["cluster"][0] != "error"
        assert "containerd image store" in after["runtime"][1]

        box.run("workloads", "apply", "-n", "pump")
        box.run("workloads", "rollback", "-n", "pump", "--to", "1")  # whose objects were made for the other store
        assert box.peek()["pump"][:2] == ("1.0.0", "running")
    finally:
        box.end()
