"""images delta --push to Debian's docker-registry: what is there afterwards, under the tag of what refers to the image."""

import json
import shutil
import subprocess
from contextlib import closing

import pytest

from kelvin_provision.deltas import artifact
from kelvin_provision.refs import Descriptor, Reference
from kelvin_provision.registry.client import Registry
from kelvin_provision.registry.pushing.pusher import Pusher
from kelvin_provision.registry.referring.referrers import tag
from kelvin_provision.settings.model import Settings
from kelvin_provision.spec.media_types import OCI_MANIFEST
from tests.kit import deltas
from tests.kit.bundle_box import desk
from tests.kit.delta_images import AFTER, BEFORE, IMAGES, NEW, OLD
from tests.kit.images import sha256

pytestmark = [pytest.mark.registry, pytest.mark.xdist_group("registry")]


@pytest.fixture
def box(tmp_path):
    with closing(desk(tmp_path / "state")) as box:
        yield box


def delta(box, host, repository, *words):
    old, new = (f"{host}/{repository}:{number}" for number in (1, 2))
    box.source.images |= {old: IMAGES[OLD], new: IMAGES[NEW]}
    return box.run("images", "delta", "--from", old, "--to", new, *words).check()


def pushed(host, repository, tmp_path):
    """The artifacts that refer to the new image, and its blobs by digest."""
    reference = Reference(host, repository)
    with closing(Pusher(Settings(state_dir=tmp_path))) as pusher:
        index = json.loads(pusher.read(reference, tag(IMAGES[NEW].digest)))
        for entry in index["manifests"]:
            data = pusher.read(reference, entry["digest"])
            made = artifact.read(data, Descriptor(entry["mediaType"], entry["digest"], entry["size"]))
            yield entry, made, {blob.digest: pusher.document(reference, blob) for blob in made.blobs()}


def test_the_artifact_is_beside_the_image_and_complete(registry, box, tmp_path):
    result = delta(box, registry, "delta/one", "--push")
    assert ": pushed, " in result.stdout
    ((entry, made, blobs),) = pushed(registry, "delta/one", tmp_path)
    assert entry["artifactType"] == artifact.ARTIFACT_TYPE
    assert made.subject == IMAGES[NEW].digest == sha256(blobs[made.documents[0].digest])
    (layer,) = made.layers
    assert deltas.rebuilt(blobs[layer.blob.digest], layer, {sha256(BEFORE): BEFORE}) == AFTER


def test_pushed_again_it_is_listed_once(registry, box, tmp_path):
    for _ in range(2):
        delta(box, registry, "delta/two", "--push")
    assert len(list(pushed(registry, "delta/two", tmp_path))) == 1


@pytest.mark.skopeo
def test_another_tool_copies_the_layout_to_a_registry(registry, box, tmp_path):
    if not shutil.which("skopeo"):
        pytest.skip("skopeo is not installed")
    delta(box, registry, "delta/three", "-o", str(tmp_path / "out"))
    words = [
        "skopeo",
        "--insecure-policy",
        "copy",
        "--dest-tls-verify=false",
        f"oci:{tmp_path / 'out'}",
        f"docker://{registry}/delta/three:delta",
    ]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    with closing(Pusher(Settings(state_dir=tmp_path))) as pusher:
        data = pusher.read(Reference(registry, "delta/three"), "delta")
    made = artifact.read(data, Descriptor("", sha256(data), len(data)))
    assert made.subject == IMAGES[NEW].digest


def test_a_box_finds_what_was_pushed(registry, box, tmp_path):
    delta(box, registry, "delta/four", "--push")
    with closing(Registry(Settings(state_dir=tmp_path))) as source:
        image = Descriptor(OCI_MANIFEST, IMAGES[NEW].digest, len(IMAGES[NEW].manifest))
        offers = source.deltas(Reference(registry, "delta/four", "2"), image)
        (layer,) = offers.layers
        with source.blob(Reference(registry, "delta/four"), layer.blob, 0) as stream:
            data = b"".join(stream.chunks)
    assert offers.remarks == ()
    assert deltas.rebuilt(data, layer, {sha256(BEFORE): BEFORE}) == AFTER
