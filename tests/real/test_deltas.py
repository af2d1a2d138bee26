"""Deltas on real parts: Debian's registry, which lists no referrers, a real containerd, and real engines with the registry dead afterwards."""

import random
import shutil
from pathlib import Path

import pytest

from kelvin_provision.context import silent
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.registry.client import Registry
from kelvin_provision.runtimes.containerd.runtime import ContainerdRuntime
from kelvin_provision.settings.model import Settings
from kelvin_provision.spec.enums import Download, Method
from kelvin_provision.spec.workload import Spec
from kelvin_provision.staging import stage
from kelvin_provision.staging.stage import StagingTools
from kelvin_provision.store import Store
from tests.contract.runtime_contract import HERE
from tests.kit.image_deltas import delta_between, push_delta, two_versions
from tests.kit.images import SERVE, busybox, make_image, push, tar_of
from tests.kit.locks import lock_of
from tests.kit.real_box import Box as RealBox
from tests.kit.real_box import docker_settings, kubernetes_settings
from tests.kit.servers.proxy import Faults, Proxy
from tests.kit.servers.registry import docker_registry

pytestmark = [pytest.mark.registry, pytest.mark.timeout(400)]
MIB = 1 << 20


class Box:
    """A ledger, a store, and a real containerd."""

    def __init__(self, folder: Path, socket: str, host: str) -> None:
        self.ledger, self.store, self.host = Ledger(folder / "ledger.db"), Store(folder), host
        self.source, self.runtime = Registry(Settings(folder)), ContainerdRuntime(socket)

    def stage(self, version):
        image = f"{self.host}/delta/app:{version}"
        spec = Spec(name="a", title="a", app_name="a", app_version=version, cluster_name="c", method=Method.STAGED, image=image)
        self.ledger.accept([spec], version)
        stage.run(
            self.ledger.workload("a").staged, StagingTools(self.ledger, self.store, self.source, self.runtime, silent, stop=lambda: False)
        )
        return self.ledger.workload("a").staged


@pytest.fixture
def proxy(registry):
    with Proxy(registry, Faults(path="/blobs/")) as found:
        yield found


@pytest.fixture
def box(tmp_path, containerd, proxy):
    found = Box(tmp_path, containerd, proxy.host)
    yield found
    found.source.close()
    found.ledger.close()


@pytest.mark.containerd
def test_one_changed_file_costs_its_delta_and_containerd_has_the_original_image(box, proxy, registry):
    old, new = two_versions(seed=1, size=8 * MIB, architecture=HERE.architecture)
    delta = delta_between(old, new)
    push(registry, "delta/app", "1", old)
    push(registry, "delta/app", "2", new)
    push_delta(registry, "delta/app", new, delta)
    first = box.stage("1")
    shutil.rmtree(box.store.layout.blobs / "sha256")  # only containerd has the layers of the old version now
    before = proxy.sent
    second = box.stage("2")
    assert (first.download, second.download, second.locks) == (
        Download.READY,
        Download.READY,
        (lock_of(new, f"{proxy.host}/delta/app:2", HERE),),
    )
    (lock,) = second.locks
    assert box.store.deltas.use(lock).bytes == len(delta.bytes)
    assert proxy.sent - before < 0.02 * sum(map(len, new.blobs.values()))
    assert (box.runtime.has(lock), box.store.has(lock.layers[-1])) == (True, True)


def serving(version, seed=0):
    """A program that answers, with data of its own, a few bytes of which are those of the version."""
    data = random.Random(seed).randbytes(2 * MIB)  # noqa: S311  (the same in every run)
    layer = tar_of({"data": data + version.encode(), "www/index.html": version.encode()}, mode=0o644)
    return make_image([busybox("sh", "sleep", "httpd"), layer], cmd=("/bin/sh", "-c", SERVE), architecture=HERE.architecture)


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(docker_settings, id="docker", marks=pytest.mark.docker),
        pytest.param(kubernetes_settings, id="kubernetes", marks=pytest.mark.kubernetes),
    ],
)
def test_a_delta_is_staged_and_applied_and_put_back_with_the_registry_dead(request, tmp_path, settings):
    settings = settings(request)
    old, new = serving("1.0.0"), serving("2.0.0")
    with docker_registry(tmp_path / "registry") as host, Proxy(host, Faults(path="/blobs/")) as proxy:
        box = RealBox(tmp_path, proxy.host, settings, app="deltas")
        for version, image in (("1.0.0", old), ("2.0.0", new)):
            push(host, "deltas", version, image)
        push_delta(host, "deltas", new, delta_between(old, new))
        box.stage("pump", "1.0.0")
        box.run("workloads", "apply", "-n", "pump")
        before = proxy.sent
        box.stage("pump", "2.0.0")
        fetched = proxy.sent - before
        (image,) = box.json("workloads", "show", "-n", "pump")["images"][1:]
    try:
        assert (image["delta"]["layers"], image["delta"]["reasons"]) == (1, [])
        assert fetched < 0.05 * image["delta"]["instead_of"]
        assert "delta: " in box.run("workloads", "show", "-n", "pump")[0]
        assert "Deltas" in box.run("agent", "status")[0]
        assert "delta: " in box.run("workloads", "history", "pump", "-v")[0]
        box.run("workloads", "apply", "-n", "pump")
        assert box.states() == {"pump": ("2.0.0", "running", None)}
        box.run("workloads", "rollback", "pump")
        assert box.states() == {"pump": ("1.0.0", "running", None)}
        box.run("workloads", "rollback", "pump", "--to", "2")
        assert box.states() == {"pump": ("2.0.0", "running", None)}
    finally:
        box.end()
