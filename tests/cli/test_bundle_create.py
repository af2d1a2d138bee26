"""bundle create and bundle sign: what is printed and written, from a registry in memory, a store and an OCI layout."""

import json
import os
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from kelvin_provision.bundles import limits
from kelvin_provision.bundles.contents import decode
from kelvin_provision.bundles.model import PAYLOAD_TYPE
from kelvin_provision.bundles.opening import find, open_bundle, read_head
from kelvin_provision.errors import RuntimeUnreachable
from kelvin_provision.trust.dsse import entries_of
from kelvin_provision.trust.requests import RequestFile
from kelvin_provision.usecases.bundles.creating import placing
from kelvin_provision.usecases.bundles.creating.create import create as create_bundle
from kelvin_provision.usecases.bundles.creating.request import CreateRequest
from tests.kit import bundles, disks
from tests.kit.box import Box
from tests.kit.bundle_box import desk, stick
from tests.kit.images import index_of, oci_layout, random_image, sha256

__all__ = ["stick"]
IMAGE = "r.io/pump:1.0.0"


@pytest.fixture
def box(tmp_path, monkeypatch):
    monkeypatch.setenv("KELVIN_PROVISION_REGISTRY", "r.io")
    with closing(desk(tmp_path / "state", registry="r.io")) as box:
        box.source.images[IMAGE] = random_image([3_000, 500_000], level=0)
        yield box


def request(tmp_path, name="pump", version="1.0.0", **more):
    path = tmp_path / f"{name}-{version}.json"
    body = {"name": name, "app_name": name, "app_version": version, "staged": True, "instantly_apply": False}
    path.write_text(json.dumps(body | more))
    return str(path)


def create(box, *words, **more):
    result = box.run("bundle", "create", *map(str, words), **more)
    assert "Traceback" not in result.stderr
    return result


def opened(place):
    files = find(place)
    head = read_head(files)
    return open_bundle(files, head, decode(head.contents))


def on(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_it_writes_the_request_as_it_is_and_its_image(box, stick, tmp_path):
    path = request(tmp_path)
    result = create(box, path, "-o", stick, "--platform", "linux/amd64", "--serial", "3", "--for", "north").check()
    with opened(stick) as bundle:
        contents = bundle.contents
        assert bundle.content(contents.requests[0].content) == (tmp_path / "pump-1.0.0.json").read_bytes()
        image = box.source.images[IMAGE]
        assert str(contents.images[0].reference) == f"{IMAGE}@{image.digest}"
        assert {digest: b"".join(bundle.blob(digest)) for digest in image.blobs} == image.blobs
        assert (contents.name, contents.serial, contents.boxes) == ("pump-1.0.0", 3, ("north",))
    assert result.stdout == (
        f"image {IMAGE}@{image.digest[:19]}: bundled, linux/amd64\n"
        f"file {stick}/pump-1.0.0.kpb: written and read back, 540.0 KiB\n"
        f"bundle pump-1.0.0: created, 540.0 KiB; digest {bundle.digest.removeprefix('sha256:')}\n"
    )
    assert f"bundle pump-1.0.0: 1 image, 540.0 KiB ({contents.total} bytes) to {stick}" in result.stderr


def test_the_same_input_gives_the_same_bytes(box, stick, tmp_path):
    for place in ("a.kpb", "b.kpb"):
        create(box, request(tmp_path), "--to", stick / place, "--name", "pump", "--platform", "linux/amd64").check()
    assert on(stick)["a.kpb"] == on(stick)["b.kpb"]
    other = Box(tmp_path / "other desk", registry="r.io", like=box)
    create(other, request(tmp_path), "--to", stick / "c.kpb", "--name", "pump", "--platform", "linux/amd64").check()
    assert on(stick)["a.kpb"] == on(stick)["c.kpb"]
    other.close()


def test_json_has_all_of_it(box, stick, tmp_path):
    result = create(box, request(tmp_path), "--to", stick, "--platform", "linux/amd64", "--json").check()
    bundle = json.loads(result.stdout)["bundle"]
    assert bundle["digest"] == read_head(find(stick)).digest
    assert [(file["path"], file["bytes"]) for file in bundle["files"]] == [(str(stick / "pump-1.0.0.kpb"), bundle["bytes"])]
    assert (bundle["kept"], bundle["written"], bundle["read_back"], bundle["signers"]) == (0, bundle["bytes"], True, [])


def test_several_platforms_of_one_index(box, stick, tmp_path):
    images = {"linux/amd64": random_image([10]), "linux/arm64": random_image([10], architecture="arm64")}
    layout = oci_layout(tmp_path / "layout", images, IMAGE)
    words = ["--from", layout, "--platform", "linux/amd64", "--platform", "linux/arm64"]
    create(box, request(tmp_path), "--to", stick, *words).check()
    contents = opened(stick).contents
    create(box, request(tmp_path), "--to", tmp_path / "state", *words, "--platform", "linux/arm64/v8").check()
    assert opened(tmp_path / "state").contents.images == contents.images, "one image is bundled once"
    assert [(str(image.platform), image.manifest) for image in contents.images] == [(p, image.digest) for p, image in images.items()]
    assert {image.index for image in contents.images} == {sha256(index_of(images))}


def test_a_layout_without_the_image_says_how_it_gets_there(box, stick, tmp_path):
    layout = oci_layout(tmp_path / "layout", {"linux/amd64": random_image([10])}, name="r.io/valve:1")
    result = create(box, request(tmp_path), "--to", stick, "--from", layout)
    assert result.exit_code == 66
    assert f"{IMAGE} is not in {layout}" in result.stderr
    assert f"skopeo copy docker://{IMAGE} oci:{layout}:{IMAGE}" in result.stderr
    assert "r.io/valve:1" in result.stderr


def test_a_blob_of_a_layout_that_is_wrong_is_never_bundled(box, stick, tmp_path):
    image = random_image([10, 50_000], level=0)
    layout = oci_layout(tmp_path / "layout", {"linux/amd64": image}, IMAGE)
    layer = json.loads(image.manifest)["layers"][1]
    path = layout / "blobs/sha256" / layer["digest"].removeprefix("sha256:")
    for data in (bytes(layer["size"]), b"short", None):
        path.unlink() if data is None else path.write_bytes(data)
        result = create(box, request(tmp_path), "--to", stick, "--from", layout)
        assert result.exit_code == (66 if data is None else 65)
        assert layer["digest"].removeprefix("sha256:")[:12] in result.stderr
        assert not list(stick.glob("*.kpb"))


def test_no_folder_docker_and_a_folder_that_is_no_layout(box, stick, tmp_path):
    result = create(box, request(tmp_path), "--to", stick, "--from", "docker")
    assert result.exit_code == 65
    assert "Docker Engine keeps layers unpacked" in result.stderr
    assert create(box, request(tmp_path), "--to", stick, "--from", "elsewhere").exit_code == 2
    assert create(box, request(tmp_path), "--to", stick, "--from", stick).exit_code == 66
    assert on(stick) == {}


def test_from_the_store_nothing_is_asked_of_a_registry(box, stick, tmp_path):
    create(box, request(tmp_path), "--to", stick, "--platform", "linux/amd64").check()
    first = on(stick)
    with box.store.lease([]):
        lock = box.source.resolve(*reference())
    box.store.tag(lock.lock)
    (stick / "pump-1.0.0.kpb").unlink()
    box.source.down = RuntimeUnreachable("the registry is never asked")
    create(box, request(tmp_path), "--to", stick, "--platform", "linux/amd64", "--from", "store").check()
    assert on(stick) == first


def reference():
    from kelvin_provision.refs import Platform, Reference

    return Reference.parse(IMAGE), Platform("linux", "amd64")


def test_what_a_bundle_needed_stays_until_the_next_one(box, stick, tmp_path):
    box.source.images["r.io/valve:1.0.0"] = random_image([3_000], level=0)
    create(box, request(tmp_path), "--to", stick).check()
    pump, valve = box.source.images[IMAGE], box.source.images["r.io/valve:1.0.0"]
    stored = lambda image: {box.store.path(digest).exists() for digest in image.blobs}  # noqa: E731
    assert stored(pump) == {True}
    create(box, request(tmp_path, "valve"), "--to", stick).check()
    assert (stored(pump), stored(valve)) == ({False}, {True})
    assert "freed" in box.run("images", "prune", "--yes").stdout
    assert stored(valve) == {False}


def test_garbage_collection_of_another_process_takes_nothing_of_it(box, stick, tmp_path):
    collections = []

    def collect(event):
        collections.append(box.store.collect_garbage([]))

    file = RequestFile("pump.json", Path(request(tmp_path)).read_bytes())
    create_bundle(replace(box.ctx, progress=collect), CreateRequest((file,), stick))
    assert len(collections) > 3
    assert box.run("bundle", "verify", str(stick)).exit_code == 0


def test_a_blob_that_changed_in_the_store_is_fetched_again(box, stick, tmp_path):
    create(box, request(tmp_path), "--to", stick).check()
    right = on(stick)
    layer = json.loads(box.source.images[IMAGE].manifest)["layers"][1]["digest"]
    path = box.store.path(layer)
    stats = path.stat()
    with path.open("r+b") as file:
        file.write(b"rot")
    os.utime(path, ns=(stats.st_atime_ns, stats.st_mtime_ns))
    (stick / "pump-1.0.0.kpb").unlink()
    create(box, request(tmp_path), "--to", stick).check()
    assert on(stick) == right


def test_requests_are_checked_as_a_deploy_checks_them_but_for_secrets(box, stick, tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("name: pump\napp_name: pump\n")
    result = create(box, path, "--to", stick)
    assert result.exit_code == 65
    assert "app_version: required field is missing" in result.stderr
    secret = {
        "payload": {"spec_version": "5.0.0", "type": "docker", "name": "pump", "title": "Pump", "description": "d", "version": "1.0.0"}
    }
    secret["payload"]["defaults"] = {"system": {"environment_vars": [{"name": "TOKEN", "value": "<% secrets.token %>"}]}}
    create(box, request(tmp_path, **secret), "--to", stick, "--platform", "linux/amd64").check()


def test_requests_alone(box, stick, tmp_path):
    create(box, request(tmp_path), "--to", stick, "--no-images").check()
    contents = opened(stick).contents
    assert (contents.images, contents.blobs, len(contents.requests)) == ((), (), 1)


def test_repair_writes_what_is_wrong_also_when_the_tag_has_moved(box, stick, tmp_path):
    words = [request(tmp_path), "--to", stick]
    create(box, *words, "--platform", "linux/amd64", "--serial", "5").check()
    path, right = stick / "pump-1.0.0.kpb", on(stick)
    box.source.images[f"{IMAGE}@{box.source.images[IMAGE].digest}"] = box.source.images[IMAGE]
    with path.open("r+b") as file:
        file.seek(300_000)
        file.write(b"damage")
    box.source.images[IMAGE] = random_image([3_000])
    result = create(box, *words, "--repair", "--json").check()
    assert on(stick) == right
    assert json.loads(result.stdout)["bundle"]["written"] < 1 << 20


def test_what_another_version_of_this_program_made_is_repaired(box, stick, tmp_path):
    """What is not given is as it was."""
    path = request(tmp_path)
    earlier = bundles.make(
        requests=[Path(path).read_bytes()], name="pump-1.0.0", made_by="kelvin-provision 0.1", serial=4, boxes=("north",)
    )
    earlier.write(stick)
    with (stick / "pump-1.0.0.kpb").open("r+b") as file:
        file.seek(-5_000, os.SEEK_END)
        file.write(b"damage")
    create(box, path, "--to", stick, "--repair").check()
    assert on(stick) == {"pump-1.0.0.kpb": earlier.data}


def test_repair_of_another_bundle_or_none_is_refused(box, stick, tmp_path):
    assert create(box, request(tmp_path), "--to", stick, "--repair").exit_code == 66
    create(box, request(tmp_path), "--to", stick).check()
    before = on(stick)
    box.source.images[f"{IMAGE}@{box.source.images[IMAGE].digest}"] = box.source.images[IMAGE]
    result = create(box, request(tmp_path, title="Other"), "--to", stick, "--repair")
    assert result.exit_code == 65
    assert "is not the bundle that these requests, images and options make" in result.stderr
    with (stick / "pump-1.0.0.kpb").open("r+b") as file:
        file.seek(20_000)
        file.write(bytes(100))
    result = create(box, request(tmp_path), "--to", stick, "--repair")
    assert (result.exit_code, "cannot be repaired" in result.stderr) == (65, True)
    assert len(on(stick)) == len(before) == 1


def test_without_space_nothing_is_downloaded(box, stick, tmp_path):
    with disks.tmpfs(stick, "300k"):
        result = create(box, request(tmp_path), "--to", stick)
        assert result.exit_code == 73
        assert f"{stick} needs 800 KiB for this bundle and has 300 KiB free" in result.stderr
        assert on(stick) == {}
        create(box, request(tmp_path), "--to", stick, "--no-images", "--name", "pump-1.0.0").check()
        result = create(box, request(tmp_path), "--to", stick)
        assert (result.exit_code, "remove what it replaces" in result.stderr) == (73, True)
    assert box.source.served == []


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["--to", "nowhere"], 73, "nowhere is not a folder"),
        (["--to", "a/b.kpb"], 73, "is not a folder"),
        ([], 2, "missing option --to"),
        (["--to", ".", "--platform", "amd64"], 2, "expected a platform such as linux/arm64"),
        (["--to", ".", "--part-size", "1k"], 2, "too small"),
        (["--to", ".", "--part-size", "much"], 2, "--part-size: expected a size"),
        (["--to", ".", "--name", "../x"], 2, "cannot be the name of a bundle"),
        (["--to", ".", "--sign-with", "x"], 2, "nothing to sign with"),
        (["--to", ".", "--sign", "nokey.pem"], 65, "nokey.pem"),
        (["--to", ".", "--passphrase-file", "x"], 2, "nothing to sign with"),
    ],
)
def test_options_that_are_wrong(box, tmp_path, monkeypatch, words, code, text):
    monkeypatch.chdir(tmp_path)
    result = create(box, request(tmp_path), *words)
    assert (result.exit_code, text in result.stderr) == (code, True)
    assert not list(tmp_path.glob("*.kpb"))


@pytest.mark.parametrize(("kind", "size"), [("vfat", limits.FAT_PART), ("msdos", limits.FAT_PART), ("exfat", 0), ("ext4", 0)])
def test_on_fat_it_is_cut_where_fat_ends(stick, tmp_path, kind, size):
    """By the kernel's table of mounts."""
    table = tmp_path / "mountinfo"
    table.write_text(f"21 1 8:1 / / rw - ext4 /dev/sda1 rw\n22 21 8:17 / {stick} rw,nosuid shared:7 - {kind} /dev/sdb1 rw\n")
    assert placing.part_size_of(None, stick, table) == size < 1 << 32


@pytest.fixture
def key(tmp_path):
    from kelvin_provision.trust.computing import ask

    made = ask("generate", {"type": "ed25519"}, purpose="make a key")
    path = tmp_path / "key.pem"
    path.write_text(made["private"])
    path.chmod(0o600)
    return path


def test_signed_when_it_is_made_and_by_a_second_person_later(box, stick, tmp_path, key):
    result = create(box, request(tmp_path), "--to", stick, "--sign", key, "--json").check()
    head = read_head(find(stick))
    (entry,) = entries_of(head.signatures.strip())
    assert json.loads(result.stdout)["bundle"]["signers"] == [entry.key_id]
    second = tmp_path / "second.pem"
    from kelvin_provision.trust.computing import ask

    second.write_text(ask("generate", {"type": "p256"}, purpose="make a key")["private"])
    second.chmod(0o600)
    before = on(stick)["pump-1.0.0.kpb"]
    box.run("bundle", "sign", str(stick), "--key", str(second)).check()
    box.run("bundle", "sign", str(stick), "--key", str(second)).check()
    after = read_head(find(stick))
    assert (after.digest, len(entries_of(after.signatures.strip()))) == (head.digest, 2)
    data = on(stick)["pump-1.0.0.kpb"]
    assert (data[:1536], data[17_920:]) == (before[:1536], before[17_920:])
    believed(after, tmp_path, [key, second])
    create(box, request(tmp_path), "--to", stick).check()
    assert on(stick)["pump-1.0.0.kpb"] == data, "the same bundle keeps its signatures"


def believed(head, tmp_path, keys):
    from kelvin_provision.settings.model import TrustSettings
    from kelvin_provision.trust.believed import Trust
    from kelvin_provision.trust.signing import PrivateKey, public_key_of
    from kelvin_provision.trust.verifying import verify

    files = []
    for number, key in enumerate(keys):
        path = tmp_path / f"{number}.pub"
        path.write_bytes(public_key_of(PrivateKey(key, key.read_bytes())).pem)
        path.chmod(0o644)
        files.append(path)
    trust = Trust(TrustSettings(tuple(files)))
    assert len(verify(PAYLOAD_TYPE, head.contents, head.signatures, trust).signers) == len(keys)


def test_nothing_is_signed_that_no_box_can_read(box, stick, tmp_path, key):
    create(box, request(tmp_path), "--to", stick).check()
    path = stick / "pump-1.0.0.kpb"
    path.write_bytes(path.read_bytes().replace(b'"serial":0', b'"serial":x'))
    before = on(stick)
    assert box.run("bundle", "sign", str(stick), "--key", str(key)).exit_code == 65
    assert on(stick) == before


def test_a_key_that_cannot_sign_is_refused_before_the_work(box, stick, tmp_path):
    bad = tmp_path / "bad.pem"
    bad.write_text("no key")
    result = create(box, request(tmp_path), "--to", stick, "--sign", bad)
    assert result.exit_code == 65
    assert (on(stick), box.source.served) == ({}, [])
