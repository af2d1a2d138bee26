"""A whole bundle, as it is, into every runtime that is here: it is an OCI image layout that Docker Engine reads too."""

import contextlib
import json
import os

import docker
import pytest

from tests.contract.runtime_contract import HERE
from tests.kit import bundles
from tests.kit.ctr import Outside
from tests.kit.images import UNIQUE, make_image, tar_of


@pytest.fixture
def bundle(tmp_path):
    """Of two images with a layer in common; one of them has an index, with a platform that is not in the bundle."""
    shared = tar_of({"shared": os.urandom(50_000)})
    here, there = (make_image([shared, tar_of({"a": os.urandom(3_000)})], architecture=name) for name in (HERE.architecture, "s390x"))
    alone = make_image([shared, tar_of({"b": os.urandom(3_000)})], architecture=HERE.architecture)
    names = [f"bundle.example/{name}-{UNIQUE}:{os.urandom(4).hex()}" for name in ("both", "alone")]
    platforms = {f"linux/{HERE.architecture}": here, "linux/s390x": there}
    made = bundles.make({names[0]: platforms, names[1]: alone}, [b"{}"], leave_out=["linux/s390x"])
    return made.write(tmp_path)[0], dict(zip(names, (here, alone), strict=True))


@pytest.mark.containerd
def test_containerd(containerd_and_ctr, bundle):
    path, images = bundle
    outside = Outside(*containerd_and_ctr)
    outside.ctr("images", "import", str(path))
    rows = outside.ctr("images", "ls")
    for name in images:
        assert name in rows
        outside.ctr("images", "rm", name)


@pytest.mark.docker
def test_docker(dockerd, bundle):
    path, images = bundle
    with contextlib.closing(docker.DockerClient(dockerd, timeout=60)) as client:
        with path.open("rb") as file:
            client.images.load(file)
        for name, image in images.items():
            assert client.images.get(name).id in {json.loads(image.manifest)["config"]["digest"], *roots(path, name)}
            client.images.remove(name)


def roots(path, name):
    """With the containerd image store an image is known by its index or manifest."""
    from kelvin_provision.bundles.contents import decode
    from kelvin_provision.bundles.opening import find, read_head

    contents = decode(read_head(find(path)).contents)
    return {image.index or image.manifest for image in contents.images if str(image.reference).startswith(name)}
