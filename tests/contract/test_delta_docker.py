"""images delta --source docker: the layers come from each engine and image store, and none from the registry."""

import io
import json
from contextlib import closing

import docker
import pytest

from tests.kit.bundle_box import desk
from tests.kit.delta_images import IMAGES, NEW, OLD
from tests.kit.foreign_zips import saved
from tests.kit.images import make_image, tar_of

pytestmark = pytest.mark.docker


@pytest.fixture
def engine(dockerd, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", dockerd)
    with closing(docker.DockerClient(dockerd, timeout=60)) as client:
        client.images.load(io.BytesIO(saved(IMAGES)))
        yield client
        for name in IMAGES:
            client.images.remove(name)


@pytest.fixture
def box(tmp_path):
    with closing(desk(tmp_path / "state")) as box:
        box.source.images |= IMAGES
        yield box


def delta(box, *words):
    result = box.run("images", "delta", "--from", OLD, "--to", NEW, "--source", "docker", "--json", *words)
    assert "Traceback" not in result.stderr
    return json.loads(result.stdout)


def test_layers_come_from_the_engine(engine, box):
    made = delta(box)["delta"]
    assert made["layers"][0]["delta"] < 600
    assert made["layers"][0]["digest"] == json.loads(IMAGES[NEW].manifest)["layers"][1]["digest"]
    layers = {layer["digest"].removeprefix("sha256:") for image in IMAGES.values() for layer in json.loads(image.manifest)["layers"]}
    assert not layers & {path.name for path in box.settings.state_dir.rglob("blobs/*/*")}


def test_an_image_that_is_not_the_one_of_the_registry_is_refused(engine, box):
    box.source.images[NEW] = make_image([tar_of({"other": b"built again"})])
    assert delta(box)["error"]["code"] == "image-unsupported"


def test_an_image_that_the_engine_does_not_have(engine, box):
    engine.images.remove(OLD)
    try:
        error = delta(box)["error"]
    finally:
        engine.images.load(io.BytesIO(saved(IMAGES)))
    assert (error["code"], error["hint"]) == ("image-not-found", f"docker pull {OLD}")
