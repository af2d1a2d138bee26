"""The agent, killed again and again in the middle of one download: every byte goes over the wire once, nearly, and the image is right."""

import os
import random
import subprocess
from pathlib import Path

import pytest

from kelvin_provision.store import Store
from tests.kit.images import push, random_image
from tests.kit.killing import Staging
from tests.kit.locks import lock_of
from tests.kit.servers.proxy import Faults, Proxy

MIB = 1 << 20


@pytest.mark.registry
@pytest.mark.containerd
def test_an_agent_that_is_killed_at_random_fetches_hardly_a_byte_twice(tmp_path, registry, containerd, record_property):
    image = random_image([15 * MIB] * 4, level=0)
    size = sum(map(len, image.blobs.values()))
    push(registry, "kills", "1.0.0", image)
    # A rate that the agent keeps up with on a busy machine: what waits in the kernel when it is killed was sent, and counts.
    with Proxy(registry, Faults(path="/blobs/", rate=5.0 * MIB)) as proxy:
        staging = Staging(tmp_path, proxy.host, containerd, "kills")
        chance = random.Random(os.getpid())  # noqa: S311  (chance is enough)
        marks = sorted(chance.randrange(MIB, int(0.95 * size)) for _ in range(4))
        staging.run(lambda: proxy.sent, marks)
        name = f"{proxy.host}/kills:1.0.0"
    record_property("times the image", f"{proxy.sent / size:.3f}")
    assert proxy.sent <= 1.05 * size, marks
    store, lock = Store(Path(staging.state)), lock_of(image, name)
    assert all(store.verify(blob) for blob in lock.blobs())
    listed = subprocess.run(["ctr", "-a", containerd, "-n", "k8s.io", "images", "ls", "-q"], check=True, capture_output=True, text=True)
    assert f"{proxy.host}/kills@{image.digest}" in listed.stdout.split()
