"""Deltas on a stick: a desk makes them for what the boxes have by their inventories, and the box takes them without a network."""

import json
from contextlib import closing
from dataclasses import replace

import pytest

from kelvin_provision.bundles.contents import decode
from kelvin_provision.bundles.model import AS_DELTA
from kelvin_provision.bundles.opening import find, read_head
from kelvin_provision.deltas.artifact import DeltaLayer
from kelvin_provision.desk.box_deltas import choose
from kelvin_provision.errors import BundleUnsuitable
from kelvin_provision.ledger.nodes import membership, tokens
from kelvin_provision.ledger.nodes.model import Node, NodeToken
from kelvin_provision.refs import Descriptor, Platform
from kelvin_provision.settings.model import ClusterSettings, NodesSettings
from kelvin_provision.spec.enums import Download
from kelvin_provision.usecases.bundles.importing import ImportRequest
from kelvin_provision.usecases.bundles.planning import plan as planned
from tests.kit.bundle_box import at_desk, inventory, north, offline
from tests.kit.image_deltas import two_versions
from tests.kit.images import random_image, sha256
from tests.kit.locks import lock_of

__all__ = ["at_desk", "north"]
OLD, NEW = two_versions(seed=11)
IMAGES = {"r.io/pump:1.0.0": OLD, "r.io/pump:2.0.0": NEW}
LAYER = lock_of(NEW, "r.io/pump:2.0.0").layers[-1]


def created(box, tmp_path, *words, version="2.0.0"):
    request, stick = tmp_path / "pump.json", tmp_path / "stick"
    stick.mkdir(exist_ok=True)
    request.write_text(json.dumps({"name": "pump", "app_name": "pump", "app_version": version, "staged": True, "instantly_apply": False}))
    result = box.run("bundle", "create", str(request), "--to", str(stick), *map(str, words))
    return result, stick


def contents_of(stick):
    return decode(read_head(find(stick)).contents)


def test_a_stick_has_the_delta_and_the_box_runs_the_original_image(at_desk, north, tmp_path):
    result, stick = created(at_desk, tmp_path, "--for", inventory(north, tmp_path / "north.json"))
    result.check()
    assert "layers 1: as deltas, delta: " in result.stdout
    contents = contents_of(stick)
    (image,) = contents.images
    assert [layer.source for layer in image.layers] == ["box", AS_DELTA]
    assert contents.total < LAYER.size / 4
    assert ", 1 as deltas" in north.run("bundle", "inspect", str(stick)).check().stdout
    north.run("bundle", "verify", str(stick)).check()
    plan = north.run("bundle", "import", str(stick), "--yes").check()
    assert "Traceback" not in plan.stderr
    north.turn()
    staged = north.ledger.workload("pump").staged
    assert (staged.download, staged.cause) == (Download.READY, None)
    (lock,) = staged.locks
    assert (lock.manifest.digest, north.runtime.has(lock), north.store.deltas.use(lock).layers) == (NEW.digest, True, 1)
    north.command_apply("pump")
    assert "delta: " in north.run("workloads", "show", "pump").check().stdout
    assert "delta: " in north.run("workloads", "history", "pump").check().stdout
    assert "saved in all" in north.run("agent", "status").check().stdout


def test_the_same_command_gives_the_same_bundle(at_desk, north, tmp_path):
    words = ("--for", inventory(north, tmp_path / "north.json"))
    created(at_desk, tmp_path, *words)[0].check()
    again, stick = created(at_desk, tmp_path, *words)
    again.check()
    assert "were there already" in again.stdout
    assert len(contents_of(stick).deltas) == 1


def test_without_deltas_on_request_and_where_the_version_is_not_to_be_had(at_desk, north, tmp_path):
    words = ("--for", inventory(north, tmp_path / "north.json"))
    created(at_desk, tmp_path, *words, "--no-deltas")[0].check()
    assert contents_of(tmp_path / "stick").deltas == ()
    del at_desk.source.images["r.io/pump:1.0.0"]
    result, stick = created(at_desk, tmp_path, *words, "--name", "other", "-v")
    result.check()
    assert contents_of(stick / "other.kpb").deltas == ()
    assert "no deltas from r.io/pump@sha256:" in result.stderr


def test_a_box_that_cannot_rebuild_it_refuses_before_anything_is_copied(at_desk, north, tmp_path, monkeypatch):
    _, stick = created(at_desk, tmp_path, "--for", inventory(north, tmp_path / "north.json"))
    monkeypatch.setenv("KELVIN_PROVISION_CLUSTER__NAME", "north")
    with closing(offline(tmp_path / "bare", registry="r.io", cluster=ClusterSettings(name="north"))) as bare:
        refused = json.loads(bare.run("bundle", "import", str(stick), "--yes", "--json").check(exit_code=65).stdout)
    assert refused["error"]["code"] == "bundle-unsuitable"
    assert any(LAYER.digest in line for line in refused["error"]["evidence"])


def test_a_leader_with_members_takes_no_deltas_from_a_stick_either(at_desk, north, tmp_path):
    """Members fetch the compressed layers, which cannot be made again from rebuilt ones."""
    _, stick = created(at_desk, tmp_path, "--for", inventory(north, tmp_path / "north.json"))
    north.run("bundle", "import", str(stick), "--yes").check()
    now = north.ledger.clock()
    tokens.add(north.ledger, NodeToken("b" * 64, now, "2099-01-01T00:00:00Z", "anna"))
    node = Node("b", "b" * 64, None, "10.0.0.2:30500", Platform.parse("linux/amd64"), "b", "1.0", now, now)
    assert membership.join(north.ledger, node, "b" * 64, now) is None
    north.settings = replace(north.settings, nodes=NodesSettings(listen=("127.0.0.1:0",)))
    north._connections = None
    north.turn()  # it joined after the import
    assert not north.store.has(LAYER)
    with pytest.raises(BundleUnsuitable):
        planned(north.ctx, ImportRequest((stick,)))


def test_a_bundle_with_deltas_is_made_again_and_not_repaired(at_desk, north, tmp_path):
    words = ("--for", inventory(north, tmp_path / "north.json"))
    created(at_desk, tmp_path, *words)[0].check()
    result, _ = created(at_desk, tmp_path, "--repair")
    assert "has deltas" in result.check(exit_code=2).stderr


def test_a_version_with_nothing_in_common_comes_whole(at_desk, north, tmp_path):
    at_desk.source.images["r.io/pump:3.0.0"] = random_image([300_000])
    result, stick = created(at_desk, tmp_path, "--for", inventory(north, tmp_path / "north.json"), version="3.0.0")
    result.check()
    assert [layer.source for layer in contents_of(stick).images[0].layers] == ["bundle"]


def delta(name, size, *needs):
    return DeltaLayer(Descriptor("", sha256(name.encode()), size), sha256(b"d"), 10, needs, LAYER.digest, 1)


def test_every_box_has_what_one_of_the_deltas_needs_or_the_layer_comes_whole():
    one, two, small = delta("one", 30, "a"), delta("two", 30, "b"), delta("small", 10, "a", "b")
    a, b, both = (frozenset(names) for names in (["a"], ["b"], ["a", "b"]))
    assert choose(100, [a], [one, two]) == (one,)
    assert choose(100, [a, b], [one, two]) == (one, two)
    assert choose(100, [both], [one, two, small]) == (small,)
    assert choose(100, [a, both], [one, two, small]) == (one, small)
    assert choose(100, [a, frozenset()], [one, two]) == ()
    assert choose(80, [a, b], [one, two]) == ()  # together they are no smaller
    assert choose(100, [], [one]) == ()
