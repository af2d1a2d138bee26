"""A workload that creates containers itself, as a person deploys it: the warning, `--image`, and where the image is shown."""

import json

import pytest

from tests.kit.box import Box
from tests.kit.images import random_image

MANIFEST = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: lp}
data:
  helperPod.yaml: |
    apiVersion: v1
    kind: Pod
    metadata: {name: helper-pod}
    spec: {containers: [{name: helper, image: busybox}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: lp}
spec:
  selector: {matchLabels: {app: lp}}
  template:
    metadata: {labels: {app: lp}}
    spec:
      containers:
      - {name: c, image: 'r.io/app:1', args: [--helper-image, 'r.io/helper:1']}
"""
IMAGES = ("r.io/app:1", "r.io/helper:1", "docker.io/library/busybox")


@pytest.fixture
def box(tmp_path):
    opened = Box(tmp_path / "state")
    opened.source.images |= {image: random_image([3000]) for image in IMAGES}
    yield opened
    opened.close()


@pytest.fixture
def deployed(box, tmp_path):
    """A function that deploys the objects with more options."""
    (tmp_path / "lp.yaml").write_text(MANIFEST)

    def deploy(*more):
        given = ("--manifest", str(tmp_path / "lp.yaml"), "-n", "lp", "--app-version", "1", "--deployment-type", "staged-only")
        return box.run("workloads", "deploy", *given, *more)

    return deploy


def test_deploy_warns_of_each_image_and_what_it_says_to_type_is_accepted(box, deployed):
    warned = deployed()
    assert warned.exit_code == 0
    assert "lp.yaml, document 1, data['helperPod.yaml']: ConfigMap/lp: busybox looks like an image" in warned.stderr
    assert "Deployment/lp: r.io/helper:1 looks like an image" in warned.stderr
    assert warned.stderr.count("looks like an image") == 2
    assert "add `--image busybox --allow-latest` to the command" in warned.stderr
    quiet = deployed("--image", "busybox", "--allow-latest", "--image", "r.io/helper:1")
    assert (quiet.exit_code, "looks like" in quiet.stderr) == (0, False)
    box.turn()
    assert box.run("workloads", "apply", "lp").exit_code == 0
    assert {"docker.io/library/busybox:latest", "r.io/helper:1"} <= set(box.runtime.names)


def test_additional_images_are_shown_as_such(box, deployed):
    deployed("--image", "r.io/helper:1", "--image", "r.io/app:1")
    box.turn()
    shown = json.loads(box.run("workloads", "show", "lp", "--json").stdout)
    assert [(image["image"].partition("@")[0], image["additional"]) for image in shown["images"]] == [
        ("r.io/app:1", False), ("r.io/helper:1", True),
    ]  # fmt: skip
    assert box.run("workloads", "show", "lp").stdout.count(", additional)") == 1
    assert box.run("workloads", "diff", "lp").stdout.count(", additional)") == 1
    changes = json.loads(box.run("workloads", "diff", "lp", "--json").stdout)["workloads"][0]["images"]
    assert [(change["new"]["reference"], change["new"]["additional"]) for change in changes] == [
        ("r.io/app:1", False),
        ("r.io/helper:1", True),
    ]
    assert "lp 1 (staged, additional)" in box.run("images", "list").stdout
    used = {
        image["reference"]: image["used_by"][0]["additional"] for image in json.loads(box.run("images", "list", "--json").stdout)["images"]
    }
    assert used == {"r.io/app:1": False, "r.io/helper:1": True}


def test_a_moved_additional_image_is_a_change_though_no_object_changes(box, deployed):
    moved = []
    for _ in range(2):
        deployed("--image", "r.io/helper:1")
        box.turn()
        moved.append(box.run("workloads", "diff", "lp", "--exit-code").exit_code)
        assert box.run("workloads", "apply", "lp").exit_code == 0
    box.source.images["r.io/helper:1"] = random_image([3000])
    deployed("--image", "r.io/helper:1")
    box.turn()
    document = json.loads(box.run("workloads", "diff", "lp", "--json").stdout)
    kept = {change["op"] for change in document["workloads"][0]["objects"]}
    assert (document["changes"], document["workloads"][0]["changes"]) == (True, True)
    assert (moved, kept, box.run("workloads", "diff", "lp", "--exit-code").exit_code) == ([3, 0], {"keep"}, 3)
    assert box.run("workloads", "apply", "lp").exit_code == 0
    assert box.runtime.names["r.io/helper:1"] == box.source.images["r.io/helper:1"].digest


def test_images_of_the_command_line_need_one_request(box, tmp_path):
    requests = "---\n".join(f"{{name: {name}, app_name: {name}, app_version: '1'}}\n" for name in ("a", "b"))
    (tmp_path / "two.yaml").write_text(requests)
    refused = box.run("workloads", "deploy", str(tmp_path / "two.yaml"), "--image", "r.io/helper:1")
    assert (refused.exit_code, "--image is for one request, and the files have 2" in refused.stderr) == (2, True)
    assert box.run("workloads", "deploy", "--image", "r.io/helper:1").exit_code == 2
