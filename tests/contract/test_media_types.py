"""The table of `spec.media_types`, on every runtime that is here: what it says is loaded, and what it refuses is refused by the runtime, too."""

import contextlib
import itertools
import os

import docker
import pytest

from kelvin_provision.errors import ImageUnsupported, ImportFailed
from kelvin_provision.runtimes.containerd.runtime import ContainerdRuntime
from kelvin_provision.runtimes.docker import DockerRuntime
from kelvin_provision.spec.media_types import COMPRESSIONS, DOCKER_LAYERS, LAYERS, SUPPORT
from tests.contract.runtime_contract import HERE, reference
from tests.kit.images import image_of_type, make_image, tar_of
from tests.kit.locks import blobs_in, lock_of

EVERY = pytest.mark.parametrize("media_type", sorted(LAYERS))


@pytest.fixture
def on_containerd(containerd_and_ctr):
    address, ctr = containerd_and_ctr
    return ContainerdRuntime(address, command=(ctr,))


@pytest.fixture
def on_docker(dockerd):
    with contextlib.closing(docker.APIClient(dockerd, timeout=60)) as client:
        yield DockerRuntime(client=lambda: client)


def refuses(action) -> bool:
    try:
        action()
    except (ImageUnsupported, ImportFailed):
        return True
    return False


def agree(runtime, image, folder) -> bool:
    """Whether it is loaded; what `check` says before must be what the runtime does."""
    lock = lock_of(image, reference(), HERE)
    blob = blobs_in(folder, image)
    said, done = refuses(lambda: runtime.check(lock)), refuses(lambda: runtime.load(lock, blob))
    assert (said, runtime.has(lock)) == (done, not done)
    runtime.remove(lock)
    return not done


def image_of(media_type):
    return image_of_type([tar_of({"a": os.urandom(3000)}), tar_of({"b": os.urandom(100_000)})], media_type, architecture=HERE.architecture)


@EVERY
@pytest.mark.containerd
def test_what_containerd_unpacks_is_what_the_table_says(on_containerd, media_type, tmp_path):
    assert agree(on_containerd, image_of(media_type), tmp_path) or COMPRESSIONS[media_type] == "zstd"


@EVERY
@pytest.mark.docker
def test_what_docker_unpacks_is_what_the_table_says(on_docker, media_type, tmp_path):
    assert agree(on_docker, image_of(media_type), tmp_path) or COMPRESSIONS[media_type] == "zstd"


@pytest.mark.parametrize("dockerd", ["engine-installed", "engine-newer-containerd-store"], indirect=True)
@pytest.mark.docker
def test_an_image_of_too_many_layers_is_refused_before_a_byte_is_spent(on_docker, tmp_path):
    """Docker's own store does not take it, containerd does."""
    layers = [tar_of({f"file{number}": os.urandom(8)}) for number in range(DOCKER_LAYERS + 1)]
    image = make_image(layers, architecture=HERE.architecture, compress=False)
    assert agree(on_docker, image, tmp_path) is (on_docker.info().support.most > DOCKER_LAYERS)


def test_later_versions_unpack_all_that_earlier_ones_do():
    for unpacker in {row.unpacker for row in SUPPORT}:
        rows = [row for row in SUPPORT if row.unpacker == unpacker]
        assert [row.since for row in rows] == sorted(row.since for row in rows)
        assert all(before.layers < after.layers for before, after in itertools.pairwise(rows))
