"""A workload that holds itself, and hooks of the site, with real processes on a real engine and on a real Kubernetes."""

import json
from contextlib import closing
from pathlib import Path

import docker
import pytest

from kelvin_provision.cluster.kubernetes.api.verbs import Api
from tests.kit.real_box import Box

pytestmark = [pytest.mark.registry, pytest.mark.timeout(400)]
HOLD = "kelvin-provision/hold"


def hook(folder, name, body):
    path = folder / name
    path.parent.mkdir(mode=0o755, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def held(box):
    """The sentence of a refused apply."""
    error = box.json("workloads", "apply", "-n", "pump", code=75)["error"]
    assert error["code"] == "held"
    return error["message"]


def hold_by_itself(box: Box, reason: str | None) -> None:
    """As the workload does it, or somebody beside us: None lets go."""
    if box.environment["KELVIN_PROVISION_CLUSTER__TYPE"] == "docker":
        write = (
            f"busybox mkdir -p /opt/kelvin/hold; echo {reason} > /opt/kelvin/hold/reason" if reason else "busybox rm -r /opt/kelvin/hold"
        )
        with closing(docker.DockerClient(base_url=box.environment["DOCKER_HOST"])) as client:
            code, said = client.containers.get("pump").exec_run(["/bin/busybox", "sh", "-c", write])
            assert code == 0, said
        return
    namespace = box.environment["KELVIN_PROVISION_CLUSTER__NAMESPACE"]
    api = Api(kubeconfig=Path(box.environment["KUBECONFIG"]), context=None)
    name = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "pump", "annotations": {HOLD: reason}}}
    api.patch(name, namespace)


def test_what_holds_itself_is_left_alone_and_hooks_stand_around_the_apply(box):
    hooks, hold = box.folder / "hooks", box.folder / "hold"
    hooks.mkdir(mode=0o755)
    hold.mkdir()
    (box.folder / "none.yaml").write_text(f"hooks: {hooks}\n")
    volume = {"volumes": [{"name": "hold", "type": "host", "target": "/opt/kelvin/hold", "host": {"source": str(hold)}}]}
    box.stage("pump", "1.0.0")
    box.run("workloads", "apply", "-n", "pump")
    box.stage("pump", "2.0.0", **volume)

    # By an annotation, on Docker by a file in the container.
    hold_by_itself(box, "drilling")
    by = "/opt/kelvin/hold/reason" if "DOCKER_HOST" in box.environment else "Deployment/pump"
    said = held(box)
    assert said.startswith(f"pump is held by {by} since 20")
    assert said.endswith("Z: drilling (for 0 min)")
    (item,) = box.json("workloads", "list")["data"]
    assert item["status"]["warnings"][0].startswith(f"held by {by} since 20")
    hold_by_itself(box, None)

    # A pre-apply that fails touches nothing.
    hook(hooks, "pre-apply", "echo 'valve 3 is stuck'; exit 7")
    hook(hooks, "on-failure", f"cat > {box.folder}/failure.json")
    hook(hooks, "post-apply", f"cat > {box.folder}/post.json")
    error = box.json("workloads", "apply", "-n", "pump", code=1)["error"]
    assert (error["code"], error["evidence"]) == ("hook-failed", ["pre-apply: valve 3 is stuck"])
    assert box.states()["pump"] == ("1.0.0", "running", "ready")
    assert json.loads((box.folder / "failure.json").read_text())["error"]["code"] == "hook-failed"

    hook(hooks, "pre-apply", "exit 0")
    box.run("workloads", "apply", "-n", "pump")
    done = json.loads((box.folder / "post.json").read_text())
    (workload,) = done["workloads"]
    assert (done["event"], workload["app_version"], workload["before"]["app_version"]) == ("post-apply", "2.0.0", "1.0.0")
    assert box.states()["pump"] == ("2.0.0", "running", None)

    # By a file in a volume of the box, which a workload without access to the cluster can write.
    (hold / "reason").write_text("line 3 produces\n")
    (item,) = box.json("workloads", "list", "--live")["data"]
    assert item["status"]["warnings"][0].endswith(": line 3 produces")
