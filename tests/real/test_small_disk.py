"""Runtimes on small filesystems of their own: what does not fit is said in our words, and fits when there is room."""

import contextlib
import os
import tempfile
from pathlib import Path

import pytest

from kelvin_provision.errors import NoSpace
from kelvin_provision.quantity import NO_HEADROOM
from kelvin_provision.refs import Platform
from kelvin_provision.runtimes.containerd.runtime import ContainerdRuntime
from kelvin_provision.runtimes.docker import DockerRuntime
from kelvin_provision.staging.space import space_requests, survey
from tests.kit.disks import resize, tmpfs
from tests.kit.images import make_image, tar_of
from tests.kit.locks import blobs_in, lock_of
from tests.kit.servers.containerd import containerd_server
from tests.kit.servers.dockerd import own_dockerd, why_not

HERE = Platform.of_this_host()
MIB = 1 << 20


@pytest.fixture
def disk():
    """A filesystem of 24 MiB. Not below pytest's folder: a socket's path has at most 107 characters."""
    if why_not():
        pytest.skip(why_not())
    with tempfile.TemporaryDirectory(prefix="small-") as name, tmpfs(Path(name), "24m") as place:
        yield place


@contextlib.contextmanager
def containerd(disk):
    with containerd_server(disk) as address:
        yield ContainerdRuntime(address)


@contextlib.contextmanager
def docker(disk):
    with own_dockerd(disk) as engine:
        yield DockerRuntime(engine.url)


def used(disk):
    found = os.statvfs(disk)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


def staged(folder, *contents):
    picture = make_image([tar_of({f"file{number}": data}) for number, data in enumerate(contents)], architecture=HERE.architecture)
    return lock_of(picture, f"registry.example.org/acme/{folder.name}:1.0.0", HERE), blobs_in(folder, picture)


@pytest.mark.parametrize("kind", [pytest.param(containerd, marks=pytest.mark.containerd), pytest.param(docker, marks=pytest.mark.docker)])
def test_what_does_not_fit_is_believed_by_nobody_and_fits_when_there_is_room(kind, disk, tmp_path):
    large = staged(tmp_path / "large", os.urandom(14 * MIB))
    with kind(disk) as runtime:
        kept = runtime.storage()
        places = [place for place in (kept.unpacked, kept.compressed, kept.temporary) if place]
        assert [place for place in places if disk not in place.parents] == []
        assert len(places) == 2
        before = used(disk)
        with pytest.raises(NoSpace, match=r"no space left for registry\.example\.org/acme/large@sha256:"):
            runtime.load(*large)
        assert not runtime.has(large[0])
        resize(disk, "128m")
        runtime.load(*large)
        assert runtime.has(large[0])
        grown = used(disk) - before
        reckoned = space_requests([large[0]], survey(tmp_path, runtime.storage(), NO_HEADROOM), present=lambda blob: blob.size)
        assert grown <= sum(need.bytes for need in reckoned)
