"""A bundle in every runtime that is here: whole, as it is, because it is an OCI image layout that Docker Engine reads too; and by `bundle import`."""

import contextlib
import json
import os

import docker
import pytest

from kelvin_provision.runtimes.containerd.runtime import ContainerdRuntime
from kelvin_provision.runtimes.docker import DockerRuntime
from tests.contract.conftest import REAL
from tests.contract.runtime_contract import HERE
from tests.kit import bundles
from tests.kit.bundle_box import offline
from tests.kit.ctr import Outside
from tests.kit.images import UNIQUE, busybox, make_image, tar_of


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


@pytest.mark.containerd
def test_imported_into_containerd(containerd_and_ctr, imported):
    address, ctr = containerd_and_ctr
    with imported(ContainerdRuntime(address, command=(ctr,))) as lock:
        outside = Outside(address, ctr)
        assert "io.cri-containerd.pinned=pinned" in outside.ctr("images", "ls", f'name=="{lock.name}"')
        if address != REAL:  # whose runc may be where only its CRI is told to look
            assert outside.ctr("run", "--rm", lock.name, f"from-{UNIQUE}") == "from the stick\n"


@pytest.mark.docker
def test_imported_into_docker(dockerd, imported):
    with contextlib.closing(docker.DockerClient(dockerd, timeout=60)) as client, imported(DockerRuntime(client=lambda: client.api)) as lock:
        names = {lock.config.digest, lock.root.digest}
        (found,) = [image for image in client.images.list() if image.id in names]
        assert client.containers.run(found.id, network_mode="none", remove=True) == b"from the stick\n"


@pytest.fixture
def imported(tmp_path, monkeypatch):
    """`bundle import` and the agent's turn on a box with this runtime, until the image is in it; then it is as it was."""
    host = "bundle.example"
    monkeypatch.setenv("KELVIN_PROVISION_REGISTRY", host)
    app = f"imported-{UNIQUE}"
    request = {"name": "pump", "app_name": app, "app_version": "1.0.0", "staged": True, "instantly_apply": False}
    # A layer of its own: a runtime that has busybox from another test would give that one in place of the stick.
    image = make_image([busybox("sh", f"sh-{UNIQUE}")], cmd=("/bin/sh", "-c", "echo from the stick"))
    bundles.write(tmp_path / "stick", {f"{host}/{app}:1.0.0": image}, [json.dumps(request).encode()])

    @contextlib.contextmanager
    def imported_into(runtime):
        with contextlib.closing(offline(tmp_path / "state", registry=host)) as box:
            box.runtime = runtime
            box.ended("bundle", "import", str(tmp_path / "stick"), "--yes")
            box.turn()
            (image,) = json.loads(box.ended("workloads", "show", "pump", "--json").stdout)["images"]
            assert image["source"] == "bundle"
            (lock,) = box.ledger.ready_locks()
            try:
                assert runtime.has(lock)
                yield lock
            finally:
                runtime.remove(lock)

    return imported_into
