"""What is on the box is not fetched: counted at a real registry, taken out of a real containerd."""

import json
import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from kelvin_provision.cluster.kubernetes.render.manifests import Context
from kelvin_provision.cluster.kubernetes.render.revision import render
from kelvin_provision.context import silent
from kelvin_provision.events import Started
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.refs import Platform
from kelvin_provision.registry.client import Registry
from kelvin_provision.runtimes.containerd.runtime import ContainerdRuntime
from kelvin_provision.settings.model import RegistrySettings, Settings
from kelvin_provision.spec.enums import Download, Method
from kelvin_provision.spec.workload import Spec
from kelvin_provision.staging import origins, stage
from kelvin_provision.staging.importing import put_back
from kelvin_provision.staging.limits.limits import TransferLimits
from kelvin_provision.staging.origins import Origin
from kelvin_provision.staging.stage import StagingTools
from kelvin_provision.store import Store
from tests.contract.runtime_contract import HERE
from tests.kit.ctr import Outside
from tests.kit.fakes.runtime import FakeRuntime
from tests.kit.images import make_image, push, tar_of
from tests.kit.locks import blobs_in, lock_of
from tests.kit.servers.proxy import Faults, Proxy

pytestmark = pytest.mark.registry
SHARED = tar_of({"shared": os.urandom(2_000_000)})


def image(*more, architecture=HERE.architecture):
    return make_image([SHARED, *(tar_of({"own": data}) for data in more)], architecture=architecture, level=0)


class Box:
    """A ledger, a store and what staging needs; `registries` as in the settings."""

    def __init__(self, folder: Path, runtime, **registries) -> None:
        self.folder, self.runtime = folder, runtime
        self.ledger, self.store = Ledger(folder / "ledger.db"), Store(folder)
        self.source = Registry(Settings(folder, registries=registries))

    def accept(self, name: str, image: str) -> None:
        spec = Spec(name=name, title=name, app_name=name, app_version="1", cluster_name="c", method=Method.STAGED, image=image)
        self.ledger.accept([spec], name)

    def stage(self, name: str, progress=silent):
        """One turn; the revision after it."""
        limits = TransferLimits(parallel=2)
        tools = StagingTools(self.ledger, self.store, self.source, self.runtime, progress, stop=lambda: False, limits=limits)
        stage.run(self.staged(name), tools)
        return self.staged(name)

    def staged(self, name: str):
        return self.ledger.workload(name).staged

    def close(self) -> None:
        self.source.close()
        self.ledger.close()


@pytest.fixture
def proxy(registry):
    with Proxy(registry, Faults(path="")) as found:
        yield found


@pytest.fixture
def box(tmp_path, proxy):
    boxes = []

    def make(runtime=None, **registries):
        boxes.append(Box(tmp_path, runtime or FakeRuntime(), **registries))
        return boxes[-1]

    yield make
    for found in boxes:
        found.close()


def layers_asked(proxy, lock):
    """How often each layer was asked for, in their order."""
    return [sum(asked.method == "GET" and asked.path.endswith(layer.digest) for asked in proxy.asked) for layer in lock.layers]


def test_a_layer_that_two_workloads_share_is_fetched_once(box, proxy, registry):
    here = box()
    for name in ("first", "second"):
        push(registry, f"{name}-after", "1", image(name.encode()))
        here.accept(name, f"{proxy.host}/{name}-after:1")
    first, second = here.stage("first"), here.stage("second")
    assert (first.download, second.download) == (Download.READY, Download.READY)
    assert layers_asked(proxy, first.locks[0]) == [1, 1]
    assert layers_asked(proxy, second.locks[0]) == [1, 1], "the first of them for the other workload"
    shared = second.locks[0].layers[0]
    assert origins.origins_of(here.ledger, second) == {second.locks[0].name: Origin(shared.size, 0)}
    assert origins.origins_of(here.ledger, first) == {first.locks[0].name: Origin(0, 0)}


def test_two_that_stage_at_the_same_time_fetch_a_shared_layer_once(box, proxy, registry):
    """Two processes, each with connections of its own: who comes second leaves the blob to the first, and finds it next time."""
    here = [box(), box()]
    for number, one in enumerate(here):
        push(registry, f"beside-{number}", "1", image(b"%d" % number))
        one.accept(f"beside-{number}", f"{proxy.host}/beside-{number}:1")
    proxy.faults = Faults(path="/blobs/", pace=0.005)  # long enough to meet

    def until_ready(name, one):
        deadline = time.monotonic() + 60
        while one.stage(name).download is not Download.READY and time.monotonic() < deadline:
            pass

    threads = [threading.Thread(target=until_ready, args=(f"beside-{number}", one)) for number, one in enumerate(here)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, one in enumerate(here):
        found = one.staged(f"beside-{number}")
        assert found.download is Download.READY
        assert layers_asked(proxy, found.locks[0])[0] == 1


def test_an_image_for_another_platform_fails_before_a_layer_is_asked_for(box, proxy, registry):
    other = Platform("linux", "arm64" if HERE.architecture != "arm64" else "amd64")
    made = image(b"elsewhere", architecture=other.architecture)
    push(registry, "elsewhere", "1", made)
    here = box()
    here.accept("elsewhere", f"{proxy.host}/elsewhere:1")
    found = here.stage("elsewhere")
    assert (found.download, found.blocked) == (Download.FAILED, True)
    assert str(other) in found.cause
    assert str(HERE) in found.cause
    assert layers_asked(proxy, lock_of(made, f"{proxy.host}/elsewhere:1", other)) == [0, 0]


def test_a_mirrors_name_is_nowhere_in_what_a_cluster_gets(box, proxy, registry):
    """A kubelet asks for the image by its own name, and remembers with which login that registry let it have it."""
    push(registry, "mirrored/pump", "1", image(b"mirrored"))
    here = box(**{"reg.example": RegistrySettings(mirrors=(f"{proxy.host}/mirrored",))})
    here.accept("pump", "reg.example/pump:1")
    found = here.stage("pump")
    assert layers_asked(proxy, found.locks[0]) == [1, 1]
    assert list(here.runtime.names) == [f"reg.example/pump@{found.locks[0].manifest.digest}"]
    hosts = frozenset({"reg.example", proxy.host})
    objects = render(found.spec, found.locks, 1, Context("app", "c", HERE.architecture, pull_hosts=hosts))
    (secret,) = [item for item in objects if item["kind"] == "Secret"]
    (pod,) = [item["spec"]["template"]["spec"] for item in objects if item["kind"] == "Deployment"]
    assert secret["stringData"] == {".dockerconfigjson": "<% registries.reg.example %>"}
    assert pod["imagePullSecrets"] == [{"name": secret["metadata"]["name"]}]
    assert pod["containers"][0]["image"] == f"reg.example/pump:1@{found.locks[0].manifest.digest}"
    assert proxy.host not in json.dumps(objects)


# --- out of containerd -----------------------------------------------------------------------------


@pytest.fixture
def pulled(containerd, box, proxy, registry, tmp_path):
    """An image that somebody else brought into containerd under another name, and that is about to be staged."""

    def make(name):
        made = image(os.urandom(3_000_000))
        reference = push(registry, f"pulled-{name}", "1", made).replace(registry, proxy.host)
        lock, blob = lock_of(made, reference, HERE), blobs_in(tmp_path / "theirs", made)
        outside = Outside(containerd)
        outside.put(lock, blob)
        outside.ctr("images", "tag", lock.name, f"{lock.reference}-theirs")
        outside.ctr("images", "rm", lock.name)
        here = box(ContainerdRuntime(containerd))
        here.accept(name, reference)
        content = Path(containerd).parent / "root/io.containerd.content.v1.content/blobs/sha256"
        files = [content / layer.digest.removeprefix("sha256:") for layer in lock.layers]
        found.append((outside, lock.root.digest))
        return SimpleNamespace(here=here, lock=lock, files=files, outside=outside)

    found = []
    yield make
    for outside, digest in found:
        outside.ctr("images", "rm", "--sync", *outside.ctr("images", "ls", "-q", f"target.digest=={digest}").split())


@pytest.mark.containerd
def test_what_containerd_has_is_linked_and_not_fetched(pulled, proxy):
    one, said = pulled("linked"), []
    revision = one.here.stage("linked", said.append)
    assert revision.download is Download.READY
    assert layers_asked(proxy, one.lock) == [0, 0]
    for layer, file in zip(one.lock.layers, one.files, strict=True):
        if file.stat().st_dev == one.here.store.root.stat().st_dev:
            assert one.here.store.path(layer).samefile(file)
    assert one.here.runtime.has(one.lock)
    assert Started(str(one.lock.reference), "copying from containerd", one.lock.size) in said
    assert origins.origins_of(one.here.ledger, revision) == {one.lock.name: Origin(0, sum(layer.size for layer in one.lock.layers))}


@pytest.mark.containerd
def test_a_wrong_file_of_containerd_is_not_taken_but_fetched(pulled, proxy):
    one = pulled("wrong")
    wrong = bytearray(one.files[1].read_bytes())
    wrong[len(wrong) // 2] ^= 1  # the last bytes of a gzip stream are not read by every engine
    one.files[1].unlink()
    one.files[1].write_bytes(wrong)
    one.here.stage("wrong")
    assert layers_asked(proxy, one.lock) == [0, 1]
    assert all(one.here.store.verify(blob) for blob in one.lock.blobs())


@pytest.mark.containerd
def test_what_was_taken_stays_when_containerd_collects_its_own(pulled, proxy):
    one = pulled("collected")
    one.here.stage("collected")
    names = one.outside.ctr("images", "ls", "-q", f"target.digest=={one.lock.root.digest}").split()
    one.outside.ctr("images", "rm", "--sync", *names)
    assert not one.files[1].exists()
    assert all(one.here.store.verify(blob) for blob in one.lock.blobs())
    put_back([one.lock], one.here.store, one.here.runtime, silent)
    assert one.here.runtime.has(one.lock)
    assert layers_asked(proxy, one.lock) == [0, 0]


@pytest.mark.containerd
def test_a_half_downloaded_layer_is_completed_from_containerd(pulled, proxy):
    one = pulled("half")
    half = one.lock.layers[1].size // 2
    with one.here.store.partial(one.lock.layers[1]) as partial:
        partial.write(one.files[1].read_bytes()[:half])
    revision = one.here.stage("half")
    assert layers_asked(proxy, one.lock) == [0, 0]
    whole = sum(layer.size for layer in one.lock.layers)
    assert origins.origins_of(one.here.ledger, revision) == {one.lock.name: Origin(half, whole - half)}


@pytest.mark.containerd
def test_a_containerd_that_does_not_answer_holds_no_download_up(pulled, proxy, tmp_path):
    one = pulled("down")
    one.here.stage("down")
    fresh = Box(tmp_path / "fresh", ContainerdRuntime("/nowhere/containerd.sock"))
    try:
        fresh.accept("down", str(one.lock.reference))
        fresh.ledger.set_locks(fresh.staged("down"), [one.lock])
        revision = fresh.stage("down")
        assert (revision.download, revision.blocked) == (Download.DOWNLOADING, False)
        assert "containerd does not answer" in revision.cause
        assert layers_asked(proxy, one.lock) == [1, 1], "all that can be done without it is done"
    finally:
        fresh.close()
