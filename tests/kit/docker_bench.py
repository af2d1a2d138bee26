"""A Docker box on a real engine with a client beside it, for the contract suite and for the tests of its own."""

import contextlib
import functools
import gzip
import itertools
import os
import time
from pathlib import Path

import docker
import pytest

from kelvin_provision.cluster.docker.cluster import DockerCluster
from kelvin_provision.runtimes.docker import DockerRuntime
from kelvin_provision.spec.rebuilt import plain_layer
from tests.contract.cluster_contract import Picture
from tests.kit.images import TALKING, make_image, tar_of, web_image
from tests.kit.locks import blobs_in, lock_of
from tests.kit.waiting import PATIENCE

_NUMBERS = itertools.count(1)


def dying_image():
    with open("/bin/busybox", "rb") as file:
        base = tar_of({"bin/busybox": file.read()})
    return make_image([base], cmd=("/bin/busybox", "sh", "-c", "busybox echo going down; busybox sleep 0.7; exit 3"))


def talking_image():
    with open("/bin/busybox", "rb") as file:
        base = tar_of({"bin/busybox": file.read(), "bin/sleep": b"->busybox"})
    return make_image([base], cmd=("/bin/busybox", "sh", "-c", TALKING))


class DockerBench:
    """Images come from files, as staged ones do; a client in the network asks as another workload would."""

    def __init__(self, client, folder, **options):
        self.client = client
        self.cluster = DockerCluster(client=lambda: client, grace=1, tick=0.1, **options)
        self.runtime = DockerRuntime(client=lambda: client)
        self.folder = folder
        self.asker = None
        self.neighbours = []
        texts = ("one", "two", "rebuilt")
        self.made = {text: functools.partial(web_image, text) for text in texts} | {"dying": dying_image, "talking": talking_image}
        self.locks = {}
        self.before = set(self.cluster.observe())

    def picture(self, what):
        if what == "missing":
            return Picture("127.0.0.1:1/nothing/here:1.0.0")
        if what not in self.locks:
            image = self.made[what]()
            lock = lock_of(image, f"registry.example.org/contract/{what}:1.0.0")
            self.load(what, image, lock)
            self.locks[what] = lock
        return Picture(str(self.locks[what].reference), (self.locks[what],))

    def load(self, what, image, lock):
        """Of `rebuilt` the last layer as a delta would have brought it."""
        if what != "rebuilt":
            self.runtime.load(lock, blobs_in(self.folder / what, image))
            return
        layer = lock.layers[-1]
        data = gzip.decompress(image.blobs[layer.digest])
        self.runtime.load(lock, blobs_in(self.folder / what, image, data), {layer.digest: plain_layer(layer, lock.diff_ids[-1], len(data))})

    def image_id(self, what):
        """What the engine calls it by."""
        return self.runtime.info().identity.of(self.picture(what).locks[0])

    def answer(self, workload):
        """None where nothing of this name runs."""
        runs = any(workload == name[1:].lower() for one in self.client.containers() for name in one["Names"])
        return self.get(f"http://{workload}:8080/", PATIENCE if runs else 2.0)

    def get(self, url, seconds=PATIENCE):
        """What another container on the network gets, asked again for so long while nothing answers."""
        if not self.client.networks(names=["kelvin"]):
            return None
        if self.asker is None:
            image = self.image_id("one")
            host = self.client.create_host_config(network_mode="kelvin")
            command = ["/bin/busybox", "sleep", "1000"]
            self.asker = self.client.create_container(image, command, host_config=host, name=f"asker-{os.getpid()}-{next(_NUMBERS)}")["Id"]
            self.client.start(self.asker)
        deadline = time.monotonic() + seconds
        while True:
            job = self.client.exec_create(
                self.asker, ["/bin/busybox", "timeout", f"{max(2, seconds / 4):.0f}", "/bin/busybox", "wget", "-qO-", url], stderr=False
            )
            answer = self.client.exec_start(job["Id"]).decode().strip() or None
            if answer or time.monotonic() > deadline:
                return answer
            time.sleep(0.1)

    def environment(self, workload, name):
        given = dict(pair.split("=", 1) for pair in self.client.inspect_container(workload)["Config"]["Env"])
        return given.get(name)

    def neighbour(self):
        name = f"neighbour-{os.getpid()}-{next(_NUMBERS)}"
        image = self.image_id("one")
        self.neighbours.append(self.client.create_container(image, name=name)["Id"])
        self.client.start(self.neighbours[-1])
        return name

    def neighbour_is_untouched(self, name):
        found = self.client.inspect_container(name)
        return found["Id"] == self.neighbours[-1] and found["State"]["Running"] and found["RestartCount"] == 0

    def clean(self):
        """No workload and no neighbour is left; images and the asker stay for the next test."""
        for one in self.neighbours:
            self.client.remove_container(one, force=True)
        self.neighbours.clear()
        for workload in set(self.cluster.observe()) - self.before:
            self.cluster.remove(workload)

    def close(self):
        self.clean()
        if self.asker:
            self.client.remove_container(self.asker, force=True)
        for lock in self.locks.values():
            self.runtime.remove(lock)


@pytest.fixture(scope="session")
def docker_bench(dockerd, tmp_path_factory):
    if not Path("/bin/busybox").exists():
        pytest.skip("busybox-static is not installed")
    with contextlib.closing(docker.APIClient(dockerd, timeout=PATIENCE)) as client:
        bench = DockerBench(client, tmp_path_factory.mktemp("images"))
        try:
            yield bench
        finally:
            bench.close()


@pytest.fixture
def bench(docker_bench):
    yield docker_bench
    docker_bench.clean()
