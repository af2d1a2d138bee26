"""The names of additional images on a real runtime, over the whole life of a workload; the cluster is the fake."""

import pytest

from kelvin_provision.errors import ApplyFailed
from kelvin_provision.runtimes.containerd.runtime import ContainerdRuntime
from kelvin_provision.runtimes.docker import DockerRuntime
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.identity import identities
from kelvin_provision.spec.workload import Spec
from kelvin_provision.usecases import deploy, prune
from tests.kit.box import Box, reconcile
from tests.kit.images import random_image

HELPER, TOOL = "registry.example.org/acme/helper:1", "registry.example.org/acme/tool:2"


@pytest.fixture(params=[pytest.param("containerd", marks=pytest.mark.containerd), pytest.param("dockerd", marks=pytest.mark.docker)])
def runtime(request):
    address = request.getfixturevalue(request.param)
    return DockerRuntime(address) if request.param == "dockerd" else ContainerdRuntime(address)


def stage(box, version, *images):
    image = f"registry.example.org/acme/pump:{version}"
    box.source.images[image] = random_image([2000])
    spec = Spec(
        name="pump", title="", app_name="pump", app_version=version, cluster_name="c", method=Method.STAGED, image=image, images=images
    )
    deploy.store(box.ctx, [spec])
    box.turn()
    return box.ledger.workload("pump").staged.locks[1:]


def test_names_follow_the_version_that_runs(runtime, tmp_path):
    box = Box(tmp_path)
    box.runtime = runtime
    before = runtime.image_names()

    def stands_for():
        """By name, the digest."""
        return runtime.targets([HELPER, TOOL])

    box.source.images |= {image: random_image([2000]) for image in (HELPER, TOOL)}
    helper, tool = stage(box, "1", HELPER, TOOL)
    assert stands_for() == {}
    box.command_apply("pump")
    assert (stands_for()[HELPER] in identities(helper), stands_for()[TOOL] in identities(tool)) == (True, True)
    box.source.images[HELPER] = random_image([2000])
    (moved,) = stage(box, "2", HELPER)
    box.cluster.broken = {box.ledger.workload("pump").staged.locks[0].pinned_reference: "exit code 3"}
    with pytest.raises(ApplyFailed):
        box.command_apply("pump")
    assert (stands_for()[HELPER] in identities(helper), stands_for()[TOOL] in identities(tool)) == (True, True)
    box.cluster.broken = {}
    box.command_apply("pump")
    assert (list(stands_for()), stands_for()[HELPER] in identities(moved)) == ([HELPER], True)
    runtime.clear_name(HELPER, moved)
    reconcile(box)
    assert stands_for()[HELPER] in identities(moved)
    box.rollback("pump")
    assert (stands_for()[HELPER] in identities(helper), stands_for()[TOOL] in identities(tool)) == (True, True)
    box.undeploy("pump")
    prune.prune(box.ctx, orphans=False)
    assert (stands_for(), runtime.image_names()) == ({}, before)
    box.close()
