"""A box whose new version has a layer that a delta made: everything says the same of it as of one that was downloaded."""

import json
import os
import shutil
import zipfile
from contextlib import closing

import pytest

from kelvin_provision.errors import RegistryUnreachable
from kelvin_provision.ledger.staging_state import Received
from kelvin_provision.refs import Platform
from kelvin_provision.spec.rebuilt import local_root, plain_layer
from tests.kit.box import Box, reconcile
from tests.kit.bundle_box import desk
from tests.kit.images import make_image, sha256, tar_of
from tests.kit.locks import lock_of
from tests.kit.requests import platform_request

SHARED, OLD, NEW = (tar_of({name: os.urandom(20_000)}) for name in ("shared", "old", "new"))
HERE = Platform.of_this_host()


@pytest.fixture
def box(tmp_path):
    """pump 1.0.0 runs, 2.0.0 is staged; its second layer was rebuilt."""
    with closing(Box(tmp_path / "state")) as box:
        for version, layers in (("1.0.0", [SHARED, OLD]), ("2.0.0", [SHARED, NEW])):
            box.source.images[f"r.io/pump:{version}"] = make_image(layers, architecture=HERE.architecture)
        box.up("1.0.0", "pump")
        box.source.served.clear()
        layer = new(box).layers[1]
        with box.store.rebuilding(layer, plain(box)) as output:
            os.write(output.descriptor, NEW)
            output.commit()
        box.deploy("pump", version="2.0.0")
        box.turn()
        yield box


def new(box):
    return lock_of(box.source.images["r.io/pump:2.0.0"], "r.io/pump:2.0.0", HERE)


def plain(box):
    return plain_layer(new(box).layers[1], sha256(NEW), len(NEW))


def listed(box):
    images = json.loads(box.ended("images", "list", "--json").stdout)["images"]
    return {image["reference"].rpartition(":")[2]: image for image in images}


def lose(box):
    """The runtime's copy, as `crictl rmi` takes it; its layers are collected."""
    box.runtime.garbage_collect(new(box))
    for digest in (new(box).layers[1].digest, plain(box).digest):
        box.runtime.blobs.pop(digest, None)


def test_the_layer_is_not_downloaded_and_the_version_is_applied_without_the_registry(box):
    assert new(box).layers[1].digest not in {digest for digest, _, _ in box.source.served}
    box.source.down = RegistryUnreachable("no route to host")
    assert box.states()["pump"] == ("running", "ready")
    box.ended("workloads", "check", "pump", "--deep")
    box.ended("workloads", "apply", "pump")
    assert box.runtime.names[new(box).name] == local_root(new(box), {new(box).layers[1].digest: plain(box)})[1].digest


def test_lists_tell_the_digests_of_both_forms(box):
    image = listed(box)["2.0.0"]
    layer = new(box).layers[1]
    assert (image["digest"], image["in_store"], image["in_runtime"], image["pinned"]) == (new(box).root.digest, True, True, True)
    assert image["rebuilt"] == [{"layer": layer.digest, "plain": sha256(NEW), "size": len(NEW)}]
    assert image["local"] == local_root(new(box), {layer.digest: plain(box)})[1].digest
    assert (listed(box)["1.0.0"]["rebuilt"], listed(box)["1.0.0"]["local"]) == ([], None)
    assert "yes, 1 layer rebuilt" in box.ended("images", "list").stdout


def test_it_comes_back_from_the_store_when_the_runtime_loses_it(box):
    box.ended("workloads", "apply", "pump")
    box.source.down = RegistryUnreachable("no route to host")
    lose(box)
    assert listed(box)["2.0.0"]["in_runtime"] is False
    reconcile(box)
    assert listed(box)["2.0.0"]["in_runtime"] is True


def test_what_went_bad_is_named_and_downloaded_as_it_was_published(box):
    lose(box)
    data = bytearray(NEW)
    data[9000] ^= 1
    box.store.path(plain(box)).write_bytes(data)
    bad, _ = json.loads(box.ended("images", "verify", "--json", code=1).stdout)["items"]
    assert (bad["name"], bad["outcome"]) == (plain(box).digest, "quarantined")
    assert bad["detail"] == "of r.io/pump:2.0.0 for pump 2.0.0 (staged); the agent downloads it again"
    box.turn()
    assert new(box).layers[1].digest in {digest for digest, _, _ in box.source.served}
    assert (box.states()["pump"], listed(box)["2.0.0"]["rebuilt"]) == (("running", "ready"), [])
    box.ended("images", "verify")


def test_a_box_that_lost_its_store_takes_the_layer_back_from_the_runtime(box):
    shutil.rmtree(box.store.root / "images")
    shutil.rmtree(box.store.root / "rebuilt")
    box.source.served.clear()
    box.ended("images", "verify", code=1)
    box.ledger.advance(box.ledger.workload("pump").staged, Received())
    box.turn()
    assert box.states()["pump"] == ("running", "ready")
    assert not {layer.digest for layer in new(box).layers} & {digest for digest, _, _ in box.source.served}
    assert listed(box)["2.0.0"]["rebuilt"][0]["plain"] == sha256(NEW)


def test_nothing_of_it_stays_when_no_version_needs_it(box):
    box.ended("workloads", "undeploy", "pump", "--staged", "--yes")
    box.ended("images", "prune", "--yes")
    assert not box.store.path(plain(box)).exists()
    assert new(box).name not in box.runtime.names
    assert listed(box).keys() == {"1.0.0"}


def test_a_package_has_the_layer_as_it_was_published(box, tmp_path):
    file, layer = tmp_path / "pump.zip", new(box).layers[1]
    box.source.down = RegistryUnreachable("no route to host")
    refused = box.run("workloads", "download", "pump", "-o", str(file), "--json")
    error = json.loads(refused.stdout)["error"]
    assert error["code"] == "package-impossible"
    assert "pump 2.0.0: 1 layer was rebuilt from a delta, and is needed as published" in error["message"]
    box.source.down = None
    box.ended("workloads", "download", "pump", "-o", str(file))
    with zipfile.ZipFile(file) as archive:
        (name,) = [name for name in archive.namelist() if layer.digest.removeprefix("sha256:") in name]
        assert sha256(archive.read(name)) == layer.digest
    assert listed(box)["2.0.0"]["rebuilt"] == []
    assert box.runtime.has(new(box))
    box.ended("images", "prune", "--yes")
    assert not box.store.path(plain(box)).exists()


def test_a_bundle_from_the_store_says_what_it_needs(box, tmp_path):
    (tmp_path / "stick").mkdir()
    request = tmp_path / "pump.json"
    request.write_text(json.dumps(platform_request("pump", "2.0.0")))
    refused = box.run("bundle", "create", str(request), "--from", "store", "--to", str(tmp_path / "stick"), "--platform", str(HERE))
    assert "1 layer was rebuilt from a delta, and is needed as published" in refused.stderr
    assert (refused.exit_code, list((tmp_path / "stick").iterdir())) == (65, [])


def test_the_inventory_has_the_layer(box):
    layers = {layer["digest"]: layer for layer in json.loads(box.ended("images", "list", "--inventory", "-").stdout)["layers"]}
    assert layers[new(box).layers[1].digest]["diff_id"] == sha256(NEW)


def test_a_bundle_may_count_on_the_rebuilt_layer(box, tmp_path, monkeypatch):
    """The desk leaves it out by the inventory, and the box takes the next version without a network."""
    monkeypatch.setenv("KELVIN_PROVISION_REGISTRY", "r.io")
    inventory, request, stick = tmp_path / "inventory.json", tmp_path / "pump.json", tmp_path / "stick"
    inventory.write_text(box.ended("images", "list", "--inventory", "-").stdout)
    request.write_text(json.dumps(platform_request("pump", "3.0.0")))
    stick.mkdir()
    more = tar_of({"more": os.urandom(20_000)})
    with closing(desk(tmp_path / "desk")) as at_desk:
        at_desk.source.images["r.io/pump:3.0.0"] = make_image([SHARED, NEW, more], architecture=HERE.architecture)
        at_desk.ended("bundle", "create", str(request), "--to", str(stick), "--for", str(inventory), "--no-deltas")
    box.source.down = RegistryUnreachable("no route to host")
    box.ended("bundle", "import", str(stick), "--yes")
    box.turn()
    assert box.states()["pump"] == ("running", "ready")
    (lock,) = box.ledger.workload("pump").staged.locks
    assert (lock.reference.tag, list(box.store.plain_layers(lock).values())) == ("3.0.0", [plain(box)])
    assert box.runtime.has(lock)
    box.ended("workloads", "apply", "pump")
