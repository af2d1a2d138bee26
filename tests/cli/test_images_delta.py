"""images delta: what is printed, written and left out, from a registry in memory, a store and an OCI image layout."""

import json
import os
import re
import shutil
from contextlib import closing

import pytest

from kelvin_provision.deltas import artifact
from kelvin_provision.refs import Descriptor
from kelvin_provision.spec.media_types import OCI_MANIFEST
from tests.kit import deltas, disks
from tests.kit.bundle_box import desk
from tests.kit.delta_images import AFTER, BEFORE, IMAGES, NEW, NOISE, OLD, SHARED
from tests.kit.images import make_image, oci_layout, sha256, tar_of

FRESH = tar_of({"new": os.urandom(30_000)})


@pytest.fixture
def box(tmp_path, monkeypatch):
    monkeypatch.setenv("KELVIN_PROVISION_REGISTRY", "r.io")
    with closing(desk(tmp_path / "state", registry="r.io")) as box:
        box.source.images |= IMAGES
        yield box


def delta(box, *words, new=NEW):
    result = box.run("images", "delta", "--from", OLD, "--to", new, *map(str, words))
    assert "Traceback" not in result.stderr
    return result


def read(folder):
    """The artifacts of a layout, checked as a reader would."""
    index = json.loads((folder / "index.json").read_bytes())
    for entry in index["manifests"]:
        assert entry["artifactType"] == artifact.ARTIFACT_TYPE
        data = blob(folder, entry["digest"])
        yield artifact.read(data, Descriptor(OCI_MANIFEST, entry["digest"], entry["size"]))


def blob(folder, digest):
    data = (folder / "blobs" / digest.replace(":", "/")).read_bytes()
    assert sha256(data) == digest
    return data


def test_it_shows_how_large_a_delta_would_be(box):
    result = delta(box).check()
    layer = json.loads(IMAGES[NEW].manifest)["layers"][1]["digest"]
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"layer {layer[:19]}: delta made, ")
    assert re.search(r"made, \d+ B instead of 19\d\.\d KiB$", lines[0])
    assert lines[1].startswith(f"delta {NEW}: would be made, ")
    assert len(lines) == 2
    found = json.loads(delta(box, "--json").check().stdout)["delta"]
    assert found["bytes"] == found["layers"][0]["delta"] < 600
    assert (found["whole"], found["pushed"], found["output"]) == (found["layers"][0]["bytes"], False, None)


def test_the_artifact_is_written_as_an_oci_layout_whose_delta_makes_the_layer(box, tmp_path):
    folder = tmp_path / "out"
    delta(box, "-o", folder).check()
    (made,) = read(folder)
    assert made.subject == IMAGES[NEW].digest
    assert blob(folder, made.documents[0].digest) == IMAGES[NEW].manifest
    assert [blob(folder, each.digest) for each in made.blobs()]
    (layer,) = made.layers
    assert layer.replaces == json.loads(IMAGES[NEW].manifest)["layers"][1]["digest"]
    assert deltas.rebuilt(blob(folder, layer.blob.digest), layer, {sha256(BEFORE): BEFORE}) == AFTER


def test_a_second_delta_is_added_to_the_layout_and_the_same_one_is_there_once(box, tmp_path):
    folder = tmp_path / "out"
    other = make_image([SHARED, tar_of({"app": NOISE, "version": b"1.2.0"})])
    box.source.images["r.io/pump:1.2.0"] = other
    for new in (NEW, "r.io/pump:1.2.0", NEW):
        delta(box, "-o", folder, new=new).check()
    assert sorted(made.subject for made in read(folder)) == sorted([IMAGES[NEW].digest, other.digest])


def test_a_layer_that_resembles_nothing_is_left_out_and_said(box, tmp_path):
    box.source.images[NEW] = make_image([SHARED, AFTER, FRESH])
    result = delta(box, "-o", tmp_path / "out").check()
    assert ": not worth a delta, " in result.stdout
    (made,) = read(tmp_path / "out")
    assert [layer.diff_id for layer in made.layers] == [sha256(AFTER)]


def test_nothing_is_written_where_nothing_is_worth_it(box, tmp_path):
    box.source.images[NEW] = make_image([SHARED, FRESH])
    result = delta(box, "-o", tmp_path / "out").check()
    assert f"delta {NEW}: not worth it, " in result.stdout
    assert not (tmp_path / "out").exists()


def test_images_with_the_same_layers_have_nothing_to_make(box):
    box.source.images[NEW] = make_image([SHARED, BEFORE], cmd=("/other",))
    assert delta(box).check().stdout == f"image {NEW}: has the same layers, linux/amd64\n"


def test_only_the_layers_that_differ_are_downloaded_and_nothing_is_left(box):
    delta(box).check()
    shared = json.loads(IMAGES[NEW].manifest)["layers"][0]["digest"]
    stored = {path.name for path in box.settings.state_dir.rglob("blobs/*/*")}
    assert IMAGES[NEW].digest.removeprefix("sha256:") in stored
    assert shared.removeprefix("sha256:") not in stored
    assert not list(box.settings.state_dir.rglob("tmp*"))


def test_from_a_layout(box, tmp_path):
    layout = oci_layout(tmp_path / "layout", {"linux/amd64": IMAGES[OLD]}, OLD)
    other = oci_layout(tmp_path / "other", {"linux/amd64": IMAGES[NEW]}, NEW)
    for path in (other / "blobs/sha256").iterdir():
        (layout / "blobs/sha256" / path.name).write_bytes(path.read_bytes())
    index = json.loads((layout / "index.json").read_bytes())
    index["manifests"] += json.loads((other / "index.json").read_bytes())["manifests"]
    (layout / "index.json").write_text(json.dumps(index))
    box.source.images.clear()
    delta(box, "--source", layout, "-o", tmp_path / "out").check()
    assert len(list(read(tmp_path / "out"))) == 1


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (("--source", "docker:pump:1"), "image-unsupported", "--source FOLDER"),
        (("--source", "/nonexistent"), "usage", "images delta --source 'registry|store|FOLDER'"),
        (("--platform", "linux"), "usage", "images delta --help"),
        (("--source", "store"), "file-unreadable", ""),
    ],
)
def test_what_cannot_be_done_is_said_with_the_next_step(box, words, code, hint):
    result = delta(box, *words, "--json")
    error = json.loads(result.stdout)["error"]
    assert error["code"] == code
    assert hint in error["hint"]


def test_both_images_must_be_named(box):
    result = box.run("images", "delta", "--from", OLD, "--json")
    assert json.loads(result.stdout)["error"]["code"] == "usage"


def test_a_folder_with_other_files_is_left_alone(box, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/notes.txt").write_text("mine")
    result = delta(box, "-o", tmp_path / "out", "--json")
    assert json.loads(result.stdout)["error"]["code"] == "file-unreadable"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["notes.txt"]


def test_a_layer_with_other_content_than_its_config_says_is_refused(box):
    manifest = json.loads(IMAGES[OLD].manifest)
    config = json.loads(IMAGES[OLD].blobs[manifest["config"]["digest"]])
    config["rootfs"]["diff_ids"][1] = sha256(b"other")
    encoded = json.dumps(config).encode()
    manifest["config"] |= {"digest": sha256(encoded), "size": len(encoded)}
    lying = type(IMAGES[OLD])(json.dumps(manifest).encode(), IMAGES[OLD].blobs | {sha256(encoded): encoded})
    box.source.images[OLD] = lying
    assert json.loads(delta(box, "--json").stdout)["error"]["code"] == "digest-mismatch"


def test_a_full_disk_is_said_and_nothing_is_left(tmp_path, monkeypatch):
    """There is room for the images, and none for their layers without compression."""
    images = {name: make_image([tar_of({"zeros": bytes(3 << 20), "version": name.encode()})]) for name in (OLD, NEW)}
    with disks.tmpfs(tmp_path / "small", "2m"), closing(desk(tmp_path / "small/state")) as box:
        box.source.images |= images
        error = json.loads(delta(box, "--json").stdout)["error"]
        assert error["code"] == "no-space"
        assert shutil.disk_usage(tmp_path / "small").used < 1 << 20
