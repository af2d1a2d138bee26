"""bundle create with real parts: images of a registry, and what skopeo, tar and a FAT filesystem make of the result. Runtimes: tests/contract."""

import json
import os
import shutil
import subprocess

import pytest

from kelvin_provision.bundles.contents import decode
from kelvin_provision.bundles.opening import find, read_head
from tests.kit.cli import run
from tests.kit.images import UNIQUE, make_image, push, push_index, random_image, tar_of

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
def fat(tmp_path):
    """A FAT filesystem in a file, without a kernel that knows it."""
    for program in ("fusefat", "mkfs.vfat"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    image, place = tmp_path / "fat.img", tmp_path / "fat"
    with image.open("wb") as file:
        file.truncate(64 << 20)
    shell("mkfs.vfat", "-F", "32", image)
    place.mkdir()
    try:
        shell("fusefat", "-o", "rw+", image, place)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"fusefat does not mount here: {error.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_on_fat(desk, fat, tmp_path):
    """It is known by its type, written, read back past the cache, and gets its name there."""
    from kelvin_provision.bundles import limits
    from kelvin_provision.files.mounts import filesystem_type, is_fat

    assert is_fat(filesystem_type(fat))
    desk(fat, "--platform", "linux/amd64", "--part-size", "4MiB")
    desk(tmp_path, "--platform", "linux/amd64", "--part-size", "4MiB")
    parts = sorted(path.name for path in fat.iterdir())
    assert parts == ["pump.kpb.001", "pump.kpb.002"]
    assert [(fat / name).read_bytes() for name in parts] == [(tmp_path / name).read_bytes() for name in parts]
    assert decode(read_head(find(fat)).contents).parts[0] == limits.CHUNK
