import contextlib
import gc
import os
import tracemalloc

import docker
import pytest

from kelvin_provision.errors import PlatformMissing, RuntimeUnreachable
from kelvin_provision.runtimes import archive
from kelvin_provision.runtimes.docker import DockerRuntime
from kelvin_provision.spec.identity import Identity
from tests.contract.runtime_contract import HERE, NARROW, RuntimeContract, image, rebuilt, staged
from tests.kit.images import make_image, tar_of

__all__ = ["rebuilt", "staged"]
pytestmark = pytest.mark.docker


class Outside:
    """The engine past our code."""

    def __init__(self, client) -> None:
        self.client = client
        on_containerd = ["driver-type", "io.containerd.snapshotter.v1"] in (client.info()["DriverStatus"] or [])
        self.identity = Identity.ROOT if on_containerd else Identity.CONFIG

    def put(self, lock, blob) -> None:
        name = str(lock.reference)
        for line in self.client.load_image(b"".join(archive.chunks(lock, blob, tag=name))):
            assert "error" not in line, line

    def holds(self, lock) -> bool:
        return self.names(lock) is not None

    def names(self, lock):
        """Its tags, or None when it is not there."""
        try:
            return self.client.inspect_image(self.identity.of(lock))["RepoTags"]
        except docker.errors.ImageNotFound:
            return None


@pytest.fixture
def outside(dockerd):
    """After the test no image of the suite is left, also in an engine that is not the suite's."""
    with contextlib.closing(docker.APIClient(dockerd, timeout=60)) as client:
        before = {found["Id"] for found in client.images(all=True)}
        yield Outside(client)
        for found in client.images():
            if found["Id"] not in before:
                client.remove_image(found["Id"], force=True)


@pytest.fixture
def runtime(outside):
    return DockerRuntime(client=lambda: outside.client)


class TestDocker(RuntimeContract):
    @pytest.fixture
    def identity(self, outside):
        return outside.identity.of

    @pytest.fixture
    def keeps(self, outside):
        return outside.identity is Identity.ROOT


def test_the_stream_is_sent_in_pieces_and_never_gathered(runtime, staged):
    runtime.info()
    lock, blob = staged(make_image([tar_of({"big": os.urandom(48 << 20)})], architecture=HERE.architecture, compress=False))
    gc.collect()
    tracemalloc.start()
    try:
        runtime.load(lock, blob)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
    assert runtime.has(lock)


def test_a_loaded_image_has_our_tag_and_no_other(runtime, outside, staged):
    lock, blob = staged()
    runtime.load(lock, blob)
    assert outside.names(lock) == [f"kelvin-provision/pin:{outside.identity.of(lock).removeprefix('sha256:')}"]


def test_storage_says_which_copies_an_image_store_keeps(runtime, outside, staged):
    """The containerd image store keeps layers as they came, too, and reads the archive without a copy of it."""
    lock, blob = staged()
    runtime.load(lock, blob)
    storage = runtime.storage()
    assert storage.unpacked.is_dir()
    if outside.identity is Identity.ROOT:
        assert (storage.compressed, storage.temporary) == (storage.unpacked, None)
        content = storage.compressed / "io.containerd.content.v1.content" / "blobs"
        assert content.joinpath(*lock.layers[0].digest.split(":")).is_file()
    else:
        assert (storage.compressed, storage.temporary) == (None, storage.unpacked / "tmp")


def test_prune_spares_what_is_pinned(runtime, outside, staged):
    lock, blob = staged()
    runtime.load(lock, blob)
    outside.client.prune_images()
    assert runtime.has(lock)


def test_a_load_that_was_killed_before_it_was_compared_is_believed_by_nobody_and_leaves_nothing(runtime, outside, staged):
    lock, blob = staged()
    loading = f"kelvin-provision/loading:{outside.identity.of(lock).removeprefix('sha256:')}"
    list(outside.client.load_image(b"".join(archive.chunks(lock, blob, tag=loading))))
    assert not runtime.has(lock)
    assert outside.identity.of(lock) not in runtime.owned()
    runtime.remove(lock)
    assert not outside.holds(lock)


def test_the_image_of_a_stopped_container_stays(runtime, outside, staged):
    lock, blob = staged()
    runtime.load(lock, blob)
    container = outside.client.create_container(outside.identity.of(lock))["Id"]
    try:
        runtime.remove(lock)
        assert outside.holds(lock)
    finally:
        outside.client.remove_container(container)
    runtime.remove(lock)
    assert not outside.holds(lock)


def test_a_32_bit_image_is_taken_where_the_settings_say_so(outside, staged):
    lock, blob = staged(image(platform=NARROW), platform=NARROW)
    with pytest.raises(PlatformMissing):
        DockerRuntime(client=lambda: outside.client).check(lock)
    told = DockerRuntime(client=lambda: outside.client, runs_32_bit=True)
    told.check(lock)
    told.load(lock, blob)
    assert told.has(lock)
    assert [status.state for status in told.inspect([lock]).values()] == ["complete"]


def test_an_engine_that_is_not_there_is_named(tmp_path):
    with pytest.raises(RuntimeUnreachable, match="Docker Engine does not answer"):
        DockerRuntime(f"unix://{tmp_path}/none.sock").info()
