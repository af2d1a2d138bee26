"""bundle create with real parts: images of a registry, and what skopeo, tar and a FAT filesystem make of the result. Runtimes: tests/contract."""

import json
import os
import shutil
import subprocess

import pytest

from kelvin_provision.bundles import limits
from kelvin_provision.bundles.contents import decode
from kelvin_provision.bundles.opening import find, read_head
from kelvin_provision.bundles.writing.writer import write
from kelvin_provision.errors import CannotWrite
from kelvin_provision.files.mounts import filesystem_type, is_fat
from tests.kit import bundles
from tests.kit.cli import run
from tests.kit.images import UNIQUE, make_image, push, push_index, random_image, tar_of
from tests.kit.sticks import Stick, needs_fat

APP = f"desk-{UNIQUE}"
NARROW = "linux/arm/v7"


@pytest.fixture(scope="module")
def images(registry):
    """An index of two platforms under a tag, and an image without one."""
    layers = [tar_of({"etc/shared": os.urandom(100_000)})]
    both = {
        "linux/amd64": make_image([*layers, tar_of({"bin/app": b"wide"})]),
        NARROW: make_image([*layers, tar_of({"bin/app": b"narrow"})], architecture="arm", variant="v7"),
    }
    push_index(registry, APP, "1.0.0", both)
    alone = random_image([5_000_000])
    push(registry, f"{APP}-alone", "1.0.0", alone)
    return both | {"alone": alone}


@pytest.fixture
def desk(tmp_path, registry, images, monkeypatch):
    """`bundle create` of both apps; the state is this test's own."""
    monkeypatch.setenv("KELVIN_PROVISION_REGISTRY", registry)
    monkeypatch.setenv("KELVIN_PROVISION_SITE_CONFIG", str(tmp_path / "none"))
    files = []
    for name in (APP, f"{APP}-alone"):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps({"name": "pump" if name == APP else "valve", "app_name": name, "app_version": "1.0.0", "staged": True}))
        files.append(str(path))

    def create(place, *words, apps=2):
        words = ("bundle", "create", *files[:apps], "--to", str(place), "--name", "pump", "--state-dir", str(tmp_path / "state"), *words)
        return run(*map(str, words)).check(stdout=None)

    return create


def shell(*words):
    return subprocess.run([str(word) for word in words], check=True, capture_output=True).stdout.decode()


def test_skopeo_and_tar_read_it_and_every_digest_is_the_registrys(desk, registry, images, tmp_path):
    if not shutil.which("skopeo"):
        pytest.skip("skopeo is not installed")
    desk(tmp_path, "--platform", "linux/amd64")
    bundle, name = tmp_path / "pump.kpb", f"{registry}/{APP}-alone:1.0.0"
    there = json.loads(shell("skopeo", "inspect", f"oci-archive:{bundle}:{name}"))
    assert (there["Digest"], there["Layers"]) == (images["alone"].digest, list(layers_of(images["alone"])))
    assert shell("skopeo", "inspect", "--raw", f"oci-archive:{bundle}:{name}").encode() == images["alone"].manifest
    shell("skopeo", "copy", "--override-arch", "amd64", f"oci-archive:{bundle}:{registry}/{APP}:1.0.0", f"dir:{tmp_path}/copied")
    assert (tmp_path / "copied/manifest.json").read_bytes() == images["linux/amd64"].manifest
    listed = shell("tar", "-tf", bundle).split()
    assert listed[:4] == ["oci-layout", "kelvin/signatures.json", "kelvin/bundle.json", "kelvin/chunks"]
    table = subprocess.run(["tar", "-xOf", bundle, "kelvin/bundle.json"], check=True, capture_output=True).stdout
    assert table == read_head(find(bundle)).contents


def layers_of(image):
    return [layer["digest"] for layer in json.loads(image.manifest)["layers"]]


def test_an_oci_layout_of_skopeo_gives_the_same_bundle(desk, registry, tmp_path):
    if not shutil.which("skopeo"):
        pytest.skip("skopeo is not installed")
    layout = tmp_path / "layout"
    name = f"{registry}/{APP}:1.0.0"
    shell("skopeo", "copy", "--all", "--src-tls-verify=false", f"docker://{name}", f"oci:{layout}:{name}")
    for folder, words in ((tmp_path / "a", []), (tmp_path / "b", ["--from", layout])):
        folder.mkdir()
        desk(folder, "--platform", "linux/amd64", "--platform", NARROW, *words, apps=1)
    assert (tmp_path / "a/pump.kpb").read_bytes() == (tmp_path / "b/pump.kpb").read_bytes()


@pytest.fixture
def stick(tmp_path):
    with Stick(tmp_path / "stick") as stick:
        stick.insert(writable=True)
        yield stick


@needs_fat
def test_on_fat(desk, stick, tmp_path):
    """It is known by its type, written, read back past the cache, and gets its name there."""
    assert is_fat(filesystem_type(stick.folder))
    desk(stick.folder, "--platform", "linux/amd64", "--part-size", "4MiB")
    desk(tmp_path, "--platform", "linux/amd64", "--part-size", "4MiB")
    stick.pull()
    stick.insert()
    parts = sorted(path.name for path in stick.folder.iterdir())
    assert parts == ["pump.kpb.001", "pump.kpb.002"]
    assert [(stick.folder / name).read_bytes() for name in parts] == [(tmp_path / name).read_bytes() for name in parts]
    assert decode(read_head(find(stick.folder)).contents).parts[0] == limits.CHUNK


@needs_fat
@pytest.mark.slow
def test_pulled_out_while_it_is_written(stick):
    """The error comes at once, no file has its final name, and the command continues when the stick is in again."""
    bundle = bundles.make({"r.io/pump:1": random_image([3 * limits.CHUNK])}, name="pump", part_size=limits.CHUNK)

    def pull(verb, done):
        if (verb, done) == ("writing", 2 * limits.CHUNK):
            stick.pull()

    with pytest.raises(CannotWrite):
        write(bundles.job(bundle, stick.folder, report=pull))
    assert list(stick.folder.iterdir()) == [], "nothing is written to the disk of the desk, where the stick was"
    stick.insert(writable=True)
    assert all(path.name.startswith(".") for path in stick.folder.iterdir())
    write(bundles.job(bundle, stick.folder))
    assert b"".join(path.read_bytes() for path in sorted(stick.folder.iterdir())) == bundle.data
