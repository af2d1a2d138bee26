"""Signatures of images that travel: from the desk's registry, store or layout onto a stick, and to a box that has no network."""

import json
import shutil
from contextlib import closing
from dataclasses import replace

import pytest

from kelvin_provision.bundles.contents import decode
from kelvin_provision.bundles.opening import find, open_bundle, read_head
from kelvin_provision.bundles.verify import verify
from kelvin_provision.context import silent
from kelvin_provision.spec.enums import Download
from kelvin_provision.staging.signatures.arrived import keep
from kelvin_provision.wait_reason import WaitKind
from tests.kit import cosign
from tests.kit.box import Box
from tests.kit.bundle_box import desk, offline, stick
from tests.kit.cosign import anna, ben
from tests.kit.fakes.cluster import FakeCluster
from tests.kit.fakes.runtime import FakeRuntime
from tests.kit.images import OCI_MANIFEST, random_image
from tests.kit.locks import lock_of
from tests.kit.signing import in_this_process

__all__ = ["anna", "ben", "in_this_process", "stick"]
pytestmark = pytest.mark.usefixtures("in_this_process")
IMAGE = "r.io/pump:1.0.0"


@pytest.fixture
def at_desk(tmp_path, anna, ben, monkeypatch):
    """Its registry has the image, signed by two; it trusts no keys itself."""
    monkeypatch.setenv("KELVIN_PROVISION_REGISTRY", "r.io")
    with closing(desk(tmp_path / "desk", registry="r.io")) as box:
        image = box.source.images[IMAGE] = random_image([3_000, 5_000], level=0)
        payload = cosign.simple(image.digest)
        old = cosign.documents((cosign.old((payload, ben.sign(payload))), [payload]))
        box.source.signed[image.digest] = cosign.signed(anna, image.digest) | old
        yield box


@pytest.fixture
def box(tmp_path, anna, monkeypatch):
    """It reaches no registry, and takes signed images only."""
    with closing(offline(tmp_path / "state", registry="r.io", trust=cosign.trusting_images(anna))) as box:
        site = {"trust": {"keys": list(map(str, box.settings.trust.keys)), "require_signature": ["image"]}}
        (tmp_path / "site.yaml").write_text(json.dumps(site))
        monkeypatch.setenv("KELVIN_PROVISION_SITE_CONFIG", str(tmp_path / "site.yaml"))
        yield box


def made(at_desk, stick, tmp_path, *words):
    result = create(at_desk, stick, tmp_path, *words)
    assert result.exit_code == 0, result
    return result


def create(at_desk, stick, tmp_path, *words):
    path = tmp_path / "pump.json"
    body = {"name": "pump", "app_name": "pump", "app_version": "1.0.0", "staged": True, "instantly_apply": False}
    path.write_text(json.dumps(body))
    return at_desk.run("bundle", "create", str(path), "--to", str(stick), "--platform", "linux/amd64", *map(str, words), "--json")


def opened(place):
    files = find(place)
    head = read_head(files)
    return open_bundle(files, head, decode(head.contents))


def on(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_stick_carries_them_to_a_box_with_no_network(at_desk, box, stick, tmp_path):
    (described,) = json.loads(made(at_desk, stick, tmp_path).stdout)["bundle"]["images"]
    assert described["signatures"] == 2
    assert json.loads(box.ended("bundle", "inspect", str(stick), "--json").stdout)["images"][0]["signatures"] == 2
    box.ended("bundle", "import", str(stick), "--yes")
    box.turn()
    assert box.ledger.workload("pump").staged.download is Download.READY
    box.command_apply("pump")
    (image,) = json.loads(box.run("workloads", "show", "pump", "--json").stdout)["images"]
    assert (image["source"], [signer["name"] for signer in image["signatures"]["signers"]]) == ("bundle", ["anna"])


def test_a_stick_without_signatures_brings_nothing_that_is_applied(at_desk, box, stick, tmp_path):
    at_desk.source.signed = {}
    made(at_desk, stick, tmp_path)
    box.ended("bundle", "import", str(stick), "--yes")
    box.turn()
    staged = box.ledger.workload("pump").staged
    assert (staged.waiting.kind, staged.cause) == (WaitKind.IMAGE_UNSIGNED, f"{IMAGE}: not signed")


def test_a_later_stick_brings_the_missing_signature(at_desk, box, stick, tmp_path):
    signed, at_desk.source.signed = at_desk.source.signed, {}
    made(at_desk, stick, tmp_path)
    box.ended("bundle", "import", str(stick), "--yes")
    box.turn()
    at_desk.source.signed = signed
    other = tmp_path / "other"
    other.mkdir()
    made(at_desk, other, tmp_path)
    box.ended("bundle", "import", str(other), "--yes", "--images-only")
    box.turn()
    assert box.ledger.workload("pump").staged.download is Download.READY


def test_a_stick_is_not_made_without_a_signature_that_cannot_be_read_now(at_desk, stick, tmp_path):
    """It may be the one that a box asks for."""
    digest = at_desk.source.images[IMAGE].digest
    at_desk.source.signed[digest] = replace(at_desk.source.signed[digest], complete=False, remarks=("sha256:1: not now",))
    error = json.loads(create(at_desk, stick, tmp_path).stdout)["error"]
    assert (error["code"], "some of its signatures cannot be read now" in error["message"]) == ("registry-unreachable", True)
    assert error["evidence"] == ["sha256:1: not now"]
    assert list(stick.iterdir()) == []


def test_a_stick_carries_as_many_as_it_may_from_registries_and_from_bundles(at_desk, stick, tmp_path, anna):
    """The room is shared, and what the registry has now comes first of what it had."""
    image = at_desk.source.images[IMAGE]
    lock = lock_of(image, IMAGE)
    for medium in (True, False):
        for number in range(32):
            payload = cosign.simple(f"sha256:{number + 100 * medium:064}")
            documents = cosign.documents((cosign.old((payload, b"x")), [payload]))
            keep(at_desk.store, lock, replace(documents, files=tuple(replace(each, medium=medium) for each in documents.files)))
    made(at_desk, stick, tmp_path)
    carried = {manifest for manifest, *_ in opened(stick).contents.images[0].signatures}
    media = {each.manifest.digest for each in at_desk.store.signatures(lock) if each.medium}
    assert (len(carried), len(carried & media)) == (32, 16)
    assert {each.manifest.digest for each in at_desk.source.signed[image.digest].files} <= carried


def test_the_store_and_a_layout_have_them_too(at_desk, stick, tmp_path):
    made(at_desk, stick, tmp_path, "--name", "first")
    first = opened(stick).contents.images[0].signatures
    at_desk.store.tag(lock_of(at_desk.source.images[IMAGE], IMAGE))  # which a desk does not do by itself
    shutil.rmtree(stick)
    stick.mkdir()
    made(at_desk, stick, tmp_path, "--from", "store", "--name", "second")
    assert sorted(opened(stick).contents.images[0].signatures) == sorted(first)
    layout = tmp_path / "layout"
    shutil.copytree(at_desk.store.layout.images, layout)
    digest = at_desk.source.images[IMAGE].digest
    old = next(files[0] for files in first if b"simplesigning" in (layout / "blobs/sha256" / files[0][7:]).read_bytes())
    index = json.loads((layout / "index.json").read_text())
    size = (layout / "blobs/sha256" / old[7:]).stat().st_size
    name = {"org.opencontainers.image.ref.name": f"r.io/pump:{cosign.tag(digest)}.sig"}
    index["manifests"].append({"mediaType": OCI_MANIFEST, "digest": old, "size": size, "annotations": name})
    (layout / "index.json").write_text(json.dumps(index))
    shutil.rmtree(stick)
    stick.mkdir()
    made(at_desk, stick, tmp_path, "--from", layout, "--name", "third")
    assert [files[0] for files in opened(stick).contents.images[0].signatures] == [old]


def test_they_are_verified_and_repaired_like_every_member(at_desk, stick, tmp_path):
    made(at_desk, stick, tmp_path)
    before = on(stick)
    with opened(stick) as bundle:
        extent = bundle.contents.by_digest[bundle.contents.images[0].signatures[0][1]]
    (path,) = stick.iterdir()
    data = bytearray(path.read_bytes())
    data[extent.offset] ^= 1
    path.write_bytes(data)
    head = read_head(find(stick))
    with opened(stick) as bundle:
        assert verify(bundle, head, silent).bad
    at_desk.source.signed = {digest: found | cosign.signed(_third(tmp_path), digest) for digest, found in at_desk.source.signed.items()}
    made(at_desk, stick, tmp_path, "--repair")
    assert on(stick) == before


def _third(tmp_path):
    return cosign.OpensslKey(tmp_path, "third")


def test_a_table_of_contents_without_signatures_is_as_before(at_desk, stick, tmp_path):
    at_desk.source.signed = {}
    made(at_desk, stick, tmp_path)
    assert "signatures" not in json.loads(read_head(find(stick)).contents)["images"][0]


def test_the_platforms_package_of_a_workload_carries_them_too(at_desk, box, tmp_path, anna):
    with closing(Box(tmp_path / "online", like=at_desk, registry="r.io", trust=cosign.trusting_images(anna))) as online:
        online.runtime, online.cluster = FakeRuntime(), FakeCluster()
        online.source.images["r.io/pump:2.0.0"] = online.source.images[IMAGE]
        online.deploy("pump", version="2.0.0")
        online.turn()
        online.command_apply("pump")
        online.ended("workloads", "download", "-n", "pump", "-o", str(tmp_path / "pump.zip"))
    box.ended("bundle", "import", str(tmp_path / "pump.zip"), "--yes")
    box.turn()
    assert (box.ledger.workload("pump").staged.download, box.ledger.workload("pump").staged.cause) == (Download.READY, None)
