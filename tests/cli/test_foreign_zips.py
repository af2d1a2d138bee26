"""Zips of other programs are imported as bundles without a signature: an OCI image layout, archives of docker save, the platform's pair."""

import json
import random
import zipfile

import pytest

from kelvin_provision.bundles.inspection import BundlePlace, inspect, verified
from kelvin_provision.errors import BundleInvalid, ProvisionError, SignatureMissing
from kelvin_provision.settings.model import TrustSettings
from kelvin_provision.trust.believed import Trust
from tests.kit import foreign_zips as zips
from tests.kit.bundle_box import offline_box as box
from tests.kit.images import OCI_INDEX, index_of, make_image, random_image, sha256
from tests.kit.requests import stored_request
from tests.kit.signing import key_pair, trusting

__all__ = ["box"]
REGISTRY = "registry.example.com:5000"
NAME = f"{REGISTRY}/pump:1.0.0"
PLAIN = make_image([b"first layer " * 900, b"second " * 7000, b"first layer " * 900], compress=False)
PACKED = random_image([4000, 2_000_000])
REQUEST = stored_request("pump")

SHAPES = {
    "a layout and a request": lambda: zips.layout({NAME: PACKED}) | {"workload.json": REQUEST},
    "a layout in a folder": lambda: zips.layout({NAME: PACKED}, "images/") | {"workload.json": REQUEST},
    "docker save": lambda: {"pump.tar": zips.saved({NAME: PLAIN}), "workload.json": REQUEST},
    "docker save before 25": lambda: {"images/pump.tar": zips.saved({NAME: PLAIN}, old=True), "workload.json": REQUEST},
    "the pair": lambda: {"pump.tar": zips.saved({NAME: PLAIN}), "manifests.json": zips.pair(["pump.tar"], {"pump.json": REQUEST})},
}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "foreign.zip"


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_is_imported_and_applied_without_a_network(box, file, shape, method):
    file.write_bytes(zips.zipped(SHAPES[shape](), method))
    box.ended("bundle", "verify", str(file))
    result = box.ended("bundle", "import", str(file), "--yes")
    assert "the bundle is not signed" in result.stderr
    box.turn()
    box.ended("workloads", "apply", "pump")
    running = box.ledger.workload("pump").running
    image = PACKED if "layout" in shape else PLAIN
    (lock,) = running.locks
    assert {layer.digest for layer in lock.layers} == {layer["digest"] for layer in json.loads(image.manifest)["layers"]}
    assert all(box.store.has(blob) for blob in lock.blobs())
    shown = json.loads(box.ended("workloads", "show", "pump", "--json").stdout)
    assert [image["source"] for image in shown["images"]] == ["bundle"]


def test_the_same_images_are_the_same_bundle_whatever_the_file_is_called(file, tmp_path):
    file.write_bytes(zips.zipped(SHAPES["docker save"]()))
    other = tmp_path / "other"
    other.write_bytes(file.read_bytes())
    first, second = (inspect(BundlePlace((place,)), Trust(TrustSettings())) for place in (file, other))
    assert first.accepted.digest == second.accepted.digest
    assert first.contents.name == "pump-1.0.0"
    assert first.contents.images[0].reference.digest == zips.digest_of_saved(PLAIN)
    assert first.requests[0].workloads == (("pump", "1.0.0"),)


def test_of_an_index_the_image_for_this_box_is_taken_and_what_is_not_in_the_zip_is_not_needed(box, file):
    other = make_image([b"for arm"], architecture="arm64")
    index = json.loads(index_of({"linux/amd64": PACKED, "linux/arm64": other}))
    index["manifests"].append(
        {**index["manifests"][0], "digest": "sha256:" + "1" * 64, "platform": {"os": "unknown", "architecture": "unknown"}}
    )
    data = json.dumps(index).encode()
    files = zips.layout({NAME: PACKED}) | {f"blobs/{sha256(data).replace(':', '/')}": data, "workload.json": REQUEST}
    row = {"mediaType": OCI_INDEX, "digest": sha256(data), "size": len(data), "annotations": {"io.containerd.image.name": NAME}}
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [row]}).encode()
    file.write_bytes(zips.zipped(files))
    assert [str(image.platform) for image in inspect(BundlePlace((file,)), Trust(TrustSettings())).contents.images] == ["linux/amd64"]
    box.ended("bundle", "import", str(file), "--yes")
    box.turn()
    assert box.ledger.workload("pump").staged.locks[0].index.digest == sha256(data)


def test_the_agent_waits_for_the_file_and_goes_on_when_it_is_back(box, file):
    file.write_bytes(zips.zipped(SHAPES["docker save"]()))
    box.ended("bundle", "import", str(file), "--yes")
    away = file.rename(file.with_name("away.zip"))
    box.turn()
    listed = box.ended("workloads", "list", "--staged")
    assert "waits for the stick pump-1.0.0" in " ".join((listed.stdout + listed.stderr).split())
    away.rename(file)
    box.turn()
    box.ended("workloads", "apply", "pump")


def test_images_alone_are_imported_and_a_manifest_that_is_no_request_is_refused(box, file):
    service = b'{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "pump"}}'
    file.write_bytes(zips.zipped({"pump.tar": zips.saved({NAME: PLAIN}), "all.json": zips.pair(["pump.tar"], {"service.json": service})}))
    refused = json.loads(box.ended("bundle", "import", str(file), "--yes", "--json", code=65).stdout)["error"]
    assert (refused["code"], box.ledger.names()) == ("request-refused", [])
    kept = json.loads(box.ended("bundle", "import", str(file), "--images-only", "--yes", "--json").stdout)["kept_images"]
    assert kept == [f"{NAME}@{zips.digest_of_saved(PLAIN)}"]


def test_where_bundles_must_be_signed_nothing_of_it_is_unpacked(file, tmp_path):
    file.write_bytes(zips.zipped({"pump.tar": b"no archive"}))
    with pytest.raises(BundleInvalid):
        inspect(BundlePlace((file,)), Trust(TrustSettings()))
    with pytest.raises(SignatureMissing, match="a zip of another program"):
        inspect(BundlePlace((file,)), Trust(trusting(tmp_path, key_pair())))


def test_it_has_no_room_for_a_signature(box, file, tmp_path):
    file.write_bytes(zips.zipped(SHAPES["docker save"]()))
    private, _ = key_pair()
    key = tmp_path / "key.pem"
    key.write_bytes(private.pem)
    key.chmod(0o600)
    refused = json.loads(box.ended("bundle", "sign", str(file), "--key", str(key), "--json", code=2).stdout)["error"]
    assert "no room for signatures" in refused["message"]


def _damaged_layer():
    manifest = json.loads(PACKED.manifest)
    path = f"blobs/{manifest['layers'][1]['digest'].replace(':', '/')}"
    files = zips.layout({NAME: PACKED})
    return files | {path: b"x" + files[path][1:]}


def test_a_layer_with_other_content_is_found(file):
    file.write_bytes(zips.zipped(_damaged_layer()))
    found = verified(BundlePlace((file,)), Trust(TrustSettings()), lambda event: None)
    assert [place.members for place in found.result.bad] == [(json.loads(PACKED.manifest)["layers"][1]["digest"],)]
    assert found.error.exit_code == 65


LARGE = random.Random(1).randbytes(1 << 20) + b"{}"  # noqa: S311  (no secret)
MANIFEST = b'[{"Config": "c.json", "RepoTags": ["pump:1"], "Layers": ["a/layer.tar"]}]'
CONFIG = json.dumps({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "0" * 64]}}).encode()
WRONG = {
    "nothing that is accepted": ({"readme.txt": b"hello"}, "it is no package"),
    "no tar archive": ({"a.tar": b"x" * 2000}, "no tar archive"),
    "an archive without images": ({"a.tar": zips.tar_with({"a": b"x"})}, "has no file manifest.json"),
    "an archive that is cut off": ({"a.tar": zips.tar_with({"a": b"x" * 5000})[:2000]}, "ends before its member"),
    "a member twice": ({"a.tar": zips.tar_with({"a": b"x", "./a": b"y"})}, "twice"),
    "no list of images": ({"a.tar": zips.tar_with({"manifest.json": b"{}"})}, "no list of images"),
    "a layer that is not there": ({"a.tar": zips.tar_with({"manifest.json": MANIFEST, "c.json": CONFIG})}, "has no file a/layer.tar"),
    "links in a circle": (
        {"a.tar": zips.tar_with({"manifest.json": MANIFEST, "c.json": CONFIG, "a/layer.tar": "../b", "b": "a/layer.tar"})},
        "has no file",
    ),
    "a link that leads outside": (
        {"a.tar": zips.tar_with({"manifest.json": MANIFEST, "c.json": CONFIG, "a/layer.tar": "../../../etc/passwd"})},
        "has no file",
    ),
    "a compressed layer without a digest": (
        {"a.tar": zips.tar_with({"manifest.json": MANIFEST, "c.json": CONFIG, "a/layer.tar": b"\x1f\x8bxxx"})},
        "compressed layer without its digest",
    ),
    "a layout without a manifest": (
        zips.layout({NAME: PACKED}, leave_out=(PACKED.digest,)),
        "is not in it",
    ),
    "a layout with another manifest": (
        zips.layout({NAME: PACKED}) | {f"blobs/{PACKED.digest.replace(':', '/')}": PACKED.manifest + b" "},
        "has other content",
    ),
    "an index that is not JSON": ({"oci-layout": b"{}", "index.json": b"["}, "not valid JSON"),
    "a manifest that is not base64": ({"a.json": b'{"images": [], "manifests": [{"file_name": "a.json", "content": "?"}]}'}, "not base64"),
    "a manifest with a path": ({"a.json": b'{"images": [], "manifests": [{"file_name": "../a", "content": ""}]}'}, "without a file name"),
    "a large request": ({"workload.json": LARGE}, "the limit is"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_taken_is_refused_with_its_reason_and_nothing_is_stored(box, file, case):
    files, reason = WRONG[case]
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        file.write_bytes(zips.zipped(files, method))
        refused = json.loads(box.ended("bundle", "import", str(file), "--yes", "--json", code=65).stdout)["error"]
        assert reason in refused["message"], refused["message"]
    assert (box.ledger.names(), box.ledger.bundles()) == ([], ())


def test_what_is_packed_otherwise_than_it_says_is_refused(file):
    """The directory and the header agree, and the content is another one."""
    data = bytearray(zips.zipped({"workload.json": REQUEST * 3}))
    start = data.index(b"workload.json") + len("workload.json")
    data[start + 4] ^= 0xFF
    file.write_bytes(data)
    with pytest.raises(ProvisionError) as caught:
        inspect(BundlePlace((file,)), Trust(TrustSettings()))
    assert caught.value.exit_code == 65
