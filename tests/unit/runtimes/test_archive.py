import dataclasses
import io
import json
import tarfile

import pytest

from kelvin_provision.errors import DigestMismatch
from kelvin_provision.refs import Descriptor
from kelvin_provision.runtimes import archive
from tests.kit.images import OCI_LAYER, index_of, make_image, sha256, tar_of
from tests.kit.locks import blobs_in, lock_of

IMAGE = make_image([tar_of({"hello": b"world"}), tar_of({"other": b"x" * 3000})])


@pytest.fixture
def staged(tmp_path):
    return lock_of(IMAGE, "127.0.0.1:5000/acme/pump:1.0.0"), blobs_in(tmp_path, IMAGE)


def members(stream: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(stream)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def test_the_stream_is_an_oci_layout_with_every_blob_under_its_digest(staged):
    found = members(b"".join(archive.chunks(*staged)))
    assert list(found)[:3] == ["oci-layout", "index.json", "manifest.json"]
    assert json.loads(found["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    blobs = {name: data for name, data in found.items() if name.startswith("blobs/")}
    assert {f"blobs/{sha256(data).replace(':', '/')}" for data in blobs.values()} == set(blobs)
    assert set(blobs.values()) == {IMAGE.manifest, *IMAGE.blobs.values()}


def test_the_index_names_the_root_as_containerd_wants_it(staged):
    found = members(b"".join(archive.chunks(*staged)))
    assert json.loads(found["index.json"])["manifests"] == [
        {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": IMAGE.digest,
            "size": len(IMAGE.manifest),
            "annotations": {"io.containerd.image.name": f"127.0.0.1:5000/acme/pump@{IMAGE.digest}"},
        }
    ]


def test_the_docker_manifest_points_at_the_same_blobs(staged):
    lock, blob = staged
    found = members(b"".join(archive.chunks(lock, blob, tag="acme/pump:1.0.0")))
    (entry,) = json.loads(found["manifest.json"])
    assert entry["RepoTags"] == ["acme/pump:1.0.0"]
    assert json.loads(found[entry["Config"]])["architecture"] == "amd64"
    assert [found[path] for path in entry["Layers"]] == [IMAGE.blobs[layer.digest] for layer in lock.layers]


def test_an_index_is_streamed_and_named_when_the_user_gave_its_digest(tmp_path):
    index = index_of({"linux/amd64": IMAGE})
    lock = lock_of(IMAGE, f"example.org/pump@{sha256(index)}", index=index)
    found = members(b"".join(archive.chunks(lock, blobs_in(tmp_path, IMAGE, index))))
    (entry,) = json.loads(found["index.json"])["manifests"]
    assert (entry["digest"], entry["mediaType"]) == (sha256(index), "application/vnd.oci.image.index.v1+json")
    assert found[f"blobs/{sha256(index).replace(':', '/')}"] == index


def test_a_layer_that_stands_twice_in_the_manifest_is_streamed_once(tmp_path):
    layer = tar_of({"a": b"a"})
    image = make_image([layer, layer])
    stream = b"".join(archive.chunks(lock_of(image, "x:1"), blobs_in(tmp_path, image)))
    with tarfile.open(fileobj=io.BytesIO(stream)) as tar:
        assert len(tar.getnames()) == len(set(tar.getnames())) == 6


def test_the_same_image_is_the_same_stream_and_its_size_is_known_before(staged):
    first, second = (b"".join(archive.chunks(*staged)) for _ in range(2))
    assert first == second
    assert archive.size(staged[0]) == len(first)


def test_the_headers_have_no_date_and_no_owner(staged):
    with tarfile.open(fileobj=io.BytesIO(b"".join(archive.chunks(*staged)))) as tar:
        assert {(member.uid, member.gid, member.mtime, member.uname) for member in tar} == {(0, 0, 0, "")}


def test_a_big_blob_passes_in_pieces(tmp_path):
    image = make_image([tar_of({"zero": bytes(5 << 20)})], compress=False)
    lock = lock_of(image, "x:1")
    assert max(map(len, archive.chunks(lock, blobs_in(tmp_path, image)))) == 1 << 20


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"x", lambda _: b""])
def test_a_file_of_another_size_is_a_digest_mismatch(staged, change):
    lock, blob = staged
    path = blob(lock.layers[1])
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DigestMismatch, match=lock.layers[1].digest):
        list(archive.chunks(lock, blob))


def test_a_blob_that_is_not_there_is_named(staged):
    lock, blob = staged
    blob(lock.config).unlink()
    with pytest.raises(DigestMismatch, match=lock.config.digest):
        list(archive.chunks(lock, blob))


def test_verify_finds_other_bytes_of_the_same_size(staged):
    lock, blob = staged
    archive.verify(lock, blob)
    blob(lock.layers[0]).write_bytes(bytes(lock.layers[0].size))
    with pytest.raises(DigestMismatch, match=lock.layers[0].digest):
        archive.verify(lock, blob)


def test_a_sha512_and_a_size_beyond_8_gib_fit_into_the_header(tmp_path):
    huge = Descriptor(OCI_LAYER, "sha512:" + "a" * 128, 9 << 30)
    lock = dataclasses.replace(lock_of(IMAGE, "x:1"), layers=(huge,))
    header = [part for part in archive.parts(lock, lambda _: tmp_path) if isinstance(part, bytes)][-3]
    info = tarfile.TarInfo.frombuf(header[-512:], "utf-8", "strict")
    assert info.size == 9 << 30
    assert b"blobs/sha512/" + b"a" * 128 in header
