"""A box says what it has, a desk leaves that out, and the box takes the rest, or refuses it before anything is copied."""

import json
import os
from contextlib import closing
from dataclasses import replace

from kelvin_provision.bundles.contents import decode
from kelvin_provision.bundles.inventories.reading import decode as inventory_of
from kelvin_provision.bundles.model import IN_BOX
from kelvin_provision.bundles.opening import find, read_head
from kelvin_provision.errors import RuntimeUnreachable
from kelvin_provision.quantity import format_bytes
from kelvin_provision.settings.model import ClusterSettings
from tests.kit.box import Box
from tests.kit.bundle_box import at_desk, cut_off, inventory, north
from tests.kit.images import make_image, oci_layout, random_image, tar_of

__all__ = ["at_desk", "north"]
BASE = tar_of({"data/base": os.urandom(200_000)})
TOP = {version: tar_of({"data/top": os.urandom(5000)}) for version in ("1.0.0", "2.0.0", "3.0.0")}
PUMP = {version: make_image([BASE, top]) for version, top in TOP.items()}
IMAGES = {f"r.io/pump:{version}": image for version, image in PUMP.items()}


def request(tmp_path, version="2.0.0"):
    path = tmp_path / f"pump-{version}.json"
    body = {"name": "pump", "app_name": "pump", "app_version": version, "staged": True, "instantly_apply": False}
    path.write_text(json.dumps(body))
    return str(path)


def layers(version):
    return [layer["digest"] for layer in json.loads(PUMP[version].manifest)["layers"]]


def contents_of(place):
    return decode(read_head(find(place)).contents)


def create(box, *words):
    result = box.run("bundle", "create", *map(str, words))
    assert "Traceback" not in result.stderr
    return result


def test_an_inventory_has_what_the_box_has_and_nothing_else(north):
    result = north.run("images", "list", "--inventory", "-").check()
    found = inventory_of(result.stdout.encode())
    assert (found.box, found.platform, found.trust) == ("north", north.runtime.info().platform, None)
    assert {layer.digest for layer in found.layers} == set(layers("1.0.0"))
    assert [(image.in_store, image.in_runtime) for image in found.images] == [(True, True)]
    assert [(one.workload, one.revision, one.version, one.slot) for one in found.revisions] == [("pump", 1, "1.0.0", "running")]
    assert found.free_store > 0
    document = json.loads(north.run("images", "list", "--inventory", "-", "--json").check().stdout)
    assert document["layers"] == json.loads(result.stdout)["layers"]


def test_it_is_written_into_a_file_or_a_folder(north, tmp_path):
    path = tmp_path / "a.json"
    north.run("images", "list", "--inventory", str(path)).check()
    folder = tmp_path / "stick"
    folder.mkdir()
    result = north.run("images", "list", "--inventory", str(folder)).check()
    assert result.stdout == f"inventory {folder}/north.inventory.json: written, north, 2 layers\n"
    first, second = (replace(inventory_of(one.read_bytes()), taken="") for one in (path, folder / "north.inventory.json"))
    assert replace(first, free_store=0, free_runtime=0) == replace(second, free_store=0, free_runtime=0)


def test_without_its_runtime_the_box_says_what_its_store_has(north, tmp_path):
    north.runtime = RuntimeUnreachable("containerd does not answer")
    result = north.run("images", "list", "--inventory", "-").check()
    found = inventory_of(result.stdout.encode())
    assert ({layer.where for layer in found.layers}, found.images[0].in_runtime) == ({"store"}, None)
    assert "the inventory has nothing of the container runtime, which does not answer: containerd does not answer" in result.stderr


def test_what_the_box_has_is_left_out_and_the_box_takes_the_rest(north, at_desk, tmp_path):
    file, stick = inventory(north, tmp_path / "north.json"), tmp_path / "stick"
    stick.mkdir()
    result = create(at_desk, request(tmp_path), "--to", stick, "--for", file).check()
    contents, base = contents_of(stick), layers("2.0.0")[0]
    size = len(PUMP["2.0.0"].blobs[base])
    assert (contents.boxes, contents.needs, base in contents.by_digest) == (("north",), (base,), False)
    assert contents.platforms == (north.runtime.info().platform,)
    assert f"layers 1: left out, {format_bytes(size)} that the box has\n" in result.stdout
    assert "that the box has" in result.stderr, "also before the first byte"
    assert not at_desk.store.path(base).exists(), "and it is not downloaded"
    document = json.loads(create(at_desk, request(tmp_path), "--to", stick, "--for", file, "--json").check().stdout)
    assert document["bundle"]["left_out"] == {"layers": 1, "bytes": size}

    north.run("bundle", "import", str(stick), "--yes").check()
    north.turn()
    assert north.ledger.workload("pump").staged.download == "ready"
    north.command_apply("pump")


def test_a_box_that_lacks_it_refuses_before_anything_is_copied_and_the_hint_makes_a_complete_one(north, at_desk, tmp_path):
    file, stick = inventory(north, tmp_path / "north.json"), tmp_path / "stick"
    stick.mkdir()
    create(at_desk, request(tmp_path), "--to", stick, "--for", file).check()
    with closing(Box(tmp_path / "empty", registry="r.io", like=north, cluster=ClusterSettings(name="north"))) as empty:
        empty.runtime = type(empty.runtime)()
        result = empty.run("bundle", "import", str(stick), "--yes")
        assert result.exit_code == 65
        assert "needs 1 layer that this box does not have" in result.stderr
        assert f"{layers('2.0.0')[0][:19]} of r.io/pump:2.0.0" in result.stderr
        complete = ["--to", "PLACE", "--platform", "linux/amd64"]
        assert f"kelvin-provision bundle create REQUEST {' '.join(complete)}" in result.stderr
        assert (empty.ledger.bundles(), empty.ledger.names()) == ((), [])
        assert not empty.store.layout.blobs.exists()
        create(at_desk, request(tmp_path), *(word.replace("PLACE", str(stick)) for word in complete)).check()
        empty.run("bundle", "import", str(stick), "--yes").check()


def test_of_several_boxes_only_what_all_have_is_left_out(north, at_desk, tmp_path):
    stick = tmp_path / "stick"
    stick.mkdir()
    files = [inventory(north, tmp_path / "north.json")]
    with closing(cut_off(tmp_path / "south", "south", IMAGES, "2.0.0", "3.0.0")) as south:
        files.append(inventory(south, tmp_path / "south.json"))
    create(at_desk, request(tmp_path), "--to", stick, "--for", files[1]).check()
    assert set(contents_of(stick).needs) == set(layers("2.0.0"))
    create(at_desk, request(tmp_path), "--to", stick, "--for", files[0], "--for", files[1]).check()
    contents = contents_of(stick)
    assert (contents.boxes, set(contents.needs)) == (("north", "south"), {layers("2.0.0")[0]})


def test_a_box_of_another_platform_keeps_nothing_in_that_is_not_for_it(north, at_desk, tmp_path):
    """Its own images have layers of their own, which no box of the first platform needs."""
    stick, file = tmp_path / "stick", inventory(north, tmp_path / "north.json")
    stick.mkdir()
    arm = json.loads(file.read_bytes()) | {"box": "arm", "platform": "linux/arm64", "layers": []}
    other = tmp_path / "arm.json"
    other.write_text(json.dumps(arm))
    both = {"linux/amd64": PUMP["2.0.0"], "linux/arm64": random_image([100], architecture="arm64")}
    layout = oci_layout(tmp_path / "layout", both, "r.io/pump:2.0.0")
    create(at_desk, request(tmp_path), "--to", stick, "--for", file, "--for", other, "--from", layout).check()
    contents = contents_of(stick)
    assert (list(map(str, contents.platforms)), contents.needs) == (["linux/amd64", "linux/arm64"], (layers("2.0.0")[0],))


def test_what_an_older_bundle_brought_is_left_out(north, at_desk, tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir(), new.mkdir()
    create(at_desk, request(tmp_path, "2.0.0"), "--to", old, "--for", "north", "--platform", "linux/amd64").check()
    create(at_desk, request(tmp_path, "3.0.0"), "--to", new, "--since", old / "pump-2.0.0.kpb").check()
    contents = contents_of(new)
    assert (contents.needs, contents.boxes, list(map(str, contents.platforms))) == ((layers("3.0.0")[0],), ("north",), ["linux/amd64"])
    last = tmp_path / "last"
    last.mkdir()
    create(at_desk, request(tmp_path, "2.0.0"), "--to", last, "--since", new).check()
    assert contents_of(last).needs == (layers("2.0.0")[0],), "what that one counted on, the boxes have, too"
    for stick in (old, new, last):
        north.run("bundle", "import", str(stick), "--yes").check()
        north.turn()
    assert north.ledger.workload("pump").staged.download == "ready"


def test_a_bundle_without_layers_is_repaired_without_the_inventory(north, at_desk, tmp_path):
    file, stick = inventory(north, tmp_path / "north.json"), tmp_path / "stick"
    stick.mkdir()
    create(at_desk, request(tmp_path), "--to", stick, "--for", file).check()
    path = stick / "pump-2.0.0.kpb"
    path.chmod(0o644)
    data = path.read_bytes()
    path.write_bytes(data[:-20_000] + bytes(20_000))
    create(at_desk, request(tmp_path), "--to", stick, "--repair").check()
    assert path.read_bytes() == data
    assert [layer.source for layer in contents_of(stick).images[0].layers].count(IN_BOX) == 1


def test_options_that_contradict_inventories_are_refused(north, at_desk, tmp_path):
    file = inventory(north, tmp_path / "north.json")
    twin = tmp_path / "twin.json"
    twin.write_bytes(file.read_bytes())
    broken = tmp_path / "broken.json"
    broken.write_text("{}")
    for words, code, text in (
        (["--for", file, "--for", "south"], 2, "--for south names a box without its inventory"),
        (["--for", file, "--for", twin], 2, "two inventories are of the box north"),
        (["--for", file, "--platform", "linux/arm64"], 2, "the box north is linux/amd64, and takes none of linux/arm64"),
        (["--for", broken], 65, "broken.json: the inventory is not valid: its kind is not"),
        (["--for", tmp_path / "none.json"], 65, "none.json is not there"),
        (["--since", tmp_path / "none.kpb"], 66, "none.kpb does not exist"),
    ):
        result = create(at_desk, request(tmp_path), "--to", tmp_path, *words)
        assert (result.exit_code, text in result.stderr) == (code, True), result.stderr
