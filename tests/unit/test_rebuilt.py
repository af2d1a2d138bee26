"""Images with rebuilt layers: the local manifest, what the store keeps of them, and what a runtime is sent."""

import dataclasses
import io
import itertools
import json
import os
import tarfile
from pathlib import Path

import pytest

from kelvin_provision.errors import DigestMismatch, Locked, TransferStopped
from kelvin_provision.refs import Descriptor
from kelvin_provision.runtimes import archive
from kelvin_provision.spec.media_types import DOCKER_MANIFEST
from kelvin_provision.spec.rebuilt import LocalImage, diff_ids, local_root, plain_layer, plain_layers_of
from kelvin_provision.store import BlobState, Store
from kelvin_provision.store.gc.unreferenced import unreferenced
from tests.kit.crash import dying_at, killed
from tests.kit.images import image_of_type, index_of, make_image, sha256, tar_of
from tests.kit.locks import lock_of

LAYERS = [tar_of({"hello": b"world" * 700}), tar_of({"other": b"x" * 3000})]
IMAGE = make_image(LAYERS)
LOCK = lock_of(IMAGE, "r.io/pump:1.0.0")
BASE, CHANGED = LOCK.layers
PLAIN = plain_layer(CHANGED, sha256(LAYERS[1]), len(LAYERS[1]))
REBUILT = {CHANGED.digest: PLAIN}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "state")


def rebuild(store, layer=CHANGED, plain=PLAIN, data=LAYERS[1]):
    with store.rebuilding(layer, plain) as output:
        if output:
            os.pwrite(output.descriptor, data, 0)
            output.commit()
        return output is not None


def put(store, *blobs):
    content = {IMAGE.digest: IMAGE.manifest, **IMAGE.blobs}
    for blob in blobs:
        store.put(blob, content[blob.digest])


# --- the local manifest ------------------------------------------------------------------------------


def test_the_local_manifest_has_the_config_of_the_original_and_plain_layers_in_its_order():
    data, root = local_root(LOCK, REBUILT)
    assert json.loads(data) == {
        "schemaVersion": 2,
        "mediaType": LOCK.manifest.media_type,
        "config": {"mediaType": LOCK.config.media_type, "digest": LOCK.config.digest, "size": LOCK.config.size},
        "layers": [
            {"mediaType": BASE.media_type, "digest": BASE.digest, "size": BASE.size},
            {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": sha256(LAYERS[1]), "size": len(LAYERS[1])},
        ],
        "annotations": {"kelvin-provision/original": IMAGE.digest},
    }
    assert root == Descriptor(LOCK.manifest.media_type, sha256(data), len(data))
    assert local_root(LOCK, dict(reversed([*REBUILT.items(), ("sha256:other", PLAIN)]))) == (data, root)


def test_a_docker_image_stays_one():
    docker = image_of_type(LAYERS, "application/vnd.docker.image.rootfs.diff.tar.gzip")
    lock = lock_of(docker, "r.io/pump:1.0.0")
    layer = plain_layer(lock.layers[0], lock.diff_ids[0], 1)
    data, root = local_root(lock, {lock.layers[0].digest: layer})
    assert (root.media_type, json.loads(data)["mediaType"]) == (DOCKER_MANIFEST, DOCKER_MANIFEST)
    assert layer.media_type == "application/vnd.docker.image.rootfs.diff.tar"


def test_a_local_manifest_is_recognised_by_its_bytes_alone():
    assert plain_layers_of(LOCK, local_root(LOCK, REBUILT)[0]) == REBUILT
    both = REBUILT | {BASE.digest: plain_layer(BASE, LOCK.diff_ids[0], len(LAYERS[0]))}
    assert plain_layers_of(LOCK, local_root(LOCK, both)[0]) == both


def _changed(**fields):
    return json.dumps(json.loads(local_root(LOCK, REBUILT)[0]) | fields, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"layers": 3}',
        b'{"layers": [1, 2]}',
        IMAGE.manifest,
        local_root(LOCK, REBUILT)[0] + b" ",
        _changed(config={"mediaType": LOCK.config.media_type, "digest": BASE.digest, "size": LOCK.config.size}),
        _changed(layers=[]),
        _changed(layers=[{"mediaType": "", "digest": PLAIN.digest, "size": "1e999"}] * 2),
        b'{"layers": [{"digest": "x", "size": 1e999}, {"digest": "x", "size": 1}]}',
        _changed(annotations={}),
        local_root(dataclasses.replace(LOCK, diff_ids=LOCK.diff_ids[::-1]), {CHANGED.digest: plain_layer(CHANGED, LOCK.diff_ids[0], 1)})[0],
        local_root(lock_of(make_image([*LAYERS, b"more"]), "r.io/pump:1"), REBUILT)[0],
    ],
)
def test_no_other_document_is_a_local_manifest(data):
    assert plain_layers_of(LOCK, data) is None


def test_images_that_differ_in_their_index_alone_have_local_manifests_of_their_own():
    index = index_of({"linux/amd64": IMAGE})
    by_index = lock_of(IMAGE, f"r.io/pump@{sha256(index)}", index=index)
    assert local_root(by_index, REBUILT)[1] != local_root(LOCK, REBUILT)[1]
    assert plain_layers_of(by_index, local_root(LOCK, REBUILT)[0]) is None


def test_a_layer_that_is_published_without_compression_is_never_rebuilt():
    lock = lock_of(make_image(LAYERS, compress=False), "r.io/pump:1")
    assert diff_ids(lock) == {}
    assert diff_ids(dataclasses.replace(LOCK, diff_ids=())) == {}
    assert diff_ids(LOCK) == {BASE.digest: sha256(LAYERS[0]), CHANGED.digest: sha256(LAYERS[1])}


def test_an_image_without_plain_layers_is_sent_as_it_was_published():
    image = LocalImage(LOCK)
    assert (image.document, image.root, image.layers, tuple(image.blobs())) == (b"", LOCK.root, LOCK.layers, tuple(LOCK.blobs()))


# --- what a runtime is sent --------------------------------------------------------------------------


def members(stream):
    with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def test_the_stream_has_the_local_manifest_under_the_name_of_the_original_and_no_layer_that_is_there(tmp_path):
    content = {PLAIN.digest: LAYERS[1], **IMAGE.blobs}

    def path(blob):
        (tmp_path / blob.digest).write_bytes(content[blob.digest])
        return tmp_path / blob.digest

    sent = members(archive.chunks(LOCK, path, plain=REBUILT, absent={BASE.digest}))
    data, root = local_root(LOCK, REBUILT)
    (entry,) = json.loads(sent["index.json"])["manifests"]
    assert (entry["digest"], entry["annotations"]["io.containerd.image.name"]) == (root.digest, f"r.io/pump@{IMAGE.digest}")
    blobs = {name: sent[name] for name in sent if name.startswith("blobs/")}
    assert sorted(blobs.values()) == sorted([data, IMAGE.blobs[LOCK.config.digest], LAYERS[1]])
    layers = [f"blobs/{digest.replace(':', '/')}" for digest in (BASE.digest, PLAIN.digest)]
    assert json.loads(sent["manifest.json"])[0]["Layers"] == layers


# --- the store ---------------------------------------------------------------------------------------


def test_a_rebuilt_layer_is_here_and_lies_under_the_digest_of_its_plain_bytes(store):
    assert store.lacking(LOCK) == tuple(LOCK.blobs())
    put(store, LOCK.manifest, LOCK.config, BASE)
    assert store.lacking(LOCK) == (CHANGED,)
    assert rebuild(store)
    assert store.lacking(LOCK) == ()
    assert store.plain_layers(LOCK) == REBUILT
    assert store.kept(LOCK) == (LOCK.manifest, LOCK.config, BASE, PLAIN)
    assert store.has(CHANGED)
    assert not store.has_packed(CHANGED)
    assert store.path(PLAIN).read_bytes() == LAYERS[1]
    assert store.progress([LOCK]) == (LOCK.size, LOCK.size)
    assert store.path(PLAIN).stat().st_mode & 0o777 == 0o600


def test_it_is_rebuilt_once(store):
    assert rebuild(store)
    assert not rebuild(store)
    assert list(store.layout.partials.iterdir()) == []


def test_a_plain_layer_that_another_image_has_is_not_rebuilt(store):
    put_plain = make_image(LAYERS, compress=False)
    store.put(PLAIN, put_plain.blobs[PLAIN.digest])
    assert not rebuild(store)
    assert store.has(CHANGED)


def test_two_processes_do_not_rebuild_one_layer(store):
    with store.rebuilding(CHANGED, PLAIN), pytest.raises(Locked), store.rebuilding(CHANGED, PLAIN):
        pass


def test_what_was_cut_off_is_begun_anew_and_is_garbage(store):
    with store.rebuilding(CHANGED, PLAIN) as output:
        os.pwrite(output.descriptor, b"half", 9000)
    assert not store.has(CHANGED)
    with store.rebuilding(CHANGED, PLAIN) as output:
        assert os.fstat(output.descriptor).st_size == 0
        os.pwrite(output.descriptor, b"half", 0)
        assert store.collect_garbage([LOCK]) == 0, "it is being written"
    assert store.collect_garbage([LOCK]) == 4


def test_another_size_is_refused(store):
    with pytest.raises(DigestMismatch, match="5 of"):
        rebuild(store, data=b"short")
    assert not store.has(CHANGED)


def test_it_is_garbage_with_its_image_and_not_before(store):
    put(store, *LOCK.blobs())
    store.path(CHANGED).unlink()
    rebuild(store)
    with store.lease([LOCK]):
        assert store.collect_garbage([]) == 0
    assert store.collect_garbage([LOCK]) == 0
    assert unreferenced(store.layout, {blob.digest for blob in LOCK.blobs()}).blobs == (0, 0)
    assert store.lacking(LOCK) == ()
    assert store.reclaimable([]) == store.collect_garbage([]) - len(f"{PLAIN.digest}\n")
    assert list(store.layout.rebuilt.iterdir()) == []


def test_the_published_layer_takes_the_place_of_the_plain_one(store):
    rebuild(store)
    put(store, *LOCK.blobs())
    with store.partial(CHANGED) as partial:  # `put` takes the layer for one that is here
        partial.write(IMAGE.blobs[CHANGED.digest])
        partial.commit()
    assert store.plain_layers(LOCK) == {}
    assert store.has_packed(CHANGED)
    assert store.collect_garbage([LOCK]) == len(LAYERS[1])
    assert store.lacking(LOCK) == ()


def test_a_plain_layer_that_went_bad_is_lacking(store):
    put(store, *LOCK.blobs())
    store.path(CHANGED).unlink()
    rebuild(store)
    data = bytearray(LAYERS[1])
    data[700] ^= 1
    store.path(PLAIN).write_bytes(data)
    assert store.state(PLAIN) is BlobState.UNVERIFIED
    assert [blob for blob in store.kept(LOCK) if not store.verify(blob)] == [PLAIN]
    assert store.lacking(LOCK) == (CHANGED,)
    assert store.is_quarantined(PLAIN.digest)


def test_an_image_whose_config_says_something_else_of_the_layer_lacks_it(store):
    """A hostile config names another diff ID for a layer of a good image: what was rebuilt for the one is nothing for the other."""
    rebuild(store)
    hostile = dataclasses.replace(LOCK, diff_ids=(LOCK.diff_ids[0], sha256(b"else")))
    assert store.plain_layers(hostile) == {}
    assert CHANGED in store.lacking(hostile)
    assert rebuild(store, plain=plain_layer(CHANGED, sha256(b"else"), 4), data=b"else")
    assert store.plain_layers(LOCK) == {}
    assert not rebuild(store), "the file of the good image is still there"
    assert store.plain_layers(LOCK) == REBUILT


def test_a_row_that_was_changed_says_nothing(store):
    rebuild(store)
    row = store.layout.rebuilt / CHANGED.digest.replace(":", "-")
    for content in (b"", b"../../etc/passwd", b"\xff\xfe", b"sha256:" + b"0" * 64):
        row.write_bytes(content)
        assert store.plain_layers(LOCK) == {}


def test_space_is_reserved_until_it_is_written_though_the_file_is_long_before(store):
    from kelvin_provision.store.space import SpaceRequest

    plain = dataclasses.replace(PLAIN, size=8 << 20)
    seen = []
    with store.rebuilding(CHANGED, plain) as output, store.reserve([SpaceRequest(plain.digest, 1, plain.size)], lambda _: None):
        os.pwrite(output.descriptor, b"end", plain.size - 3)
        with store.reserve([], seen.extend):
            pass
        os.pwrite(output.descriptor, bytes(4 << 20), 0)
        os.fsync(output.descriptor)
        with store.reserve([], seen.extend):
            pass
    first, second = (request.bytes for request in seen)
    assert first > plain.size - (1 << 20)
    assert second <= plain.size - (4 << 20)


# --- one copy with the runtime -----------------------------------------------------------------------


def test_the_file_of_the_runtime_takes_the_place_of_ours(store, tmp_path):
    rebuild(store)
    theirs = tmp_path / "content"
    theirs.write_bytes(LAYERS[1])
    with theirs.open("rb", buffering=0) as file:
        assert store.share(PLAIN, file, lambda: False)
    assert store.path(PLAIN).samefile(theirs)
    assert store.state(PLAIN) is BlobState.VERIFIED
    with theirs.open("rb", buffering=0) as file:
        assert not store.share(PLAIN, file, lambda: False), "it is ours already"
    theirs.unlink()
    assert store.has(CHANGED)


def test_what_is_not_the_same_does_not(store, tmp_path):
    rebuild(store)
    theirs, ours = tmp_path / "content", store.path(PLAIN).stat().st_ino
    theirs.write_bytes(LAYERS[1][::-1])
    with theirs.open("rb", buffering=0) as file:
        assert not store.share(PLAIN, file, lambda: False)
    theirs.write_bytes(LAYERS[1])
    with theirs.open("rb", buffering=0) as file, pytest.raises(TransferStopped):
        store.share(PLAIN, file, lambda: True)
    read, write = os.pipe()
    os.close(write)
    with open(read, "rb", buffering=0) as pipe:
        assert not store.share(PLAIN, pipe, lambda: False)
    assert store.path(PLAIN).stat().st_ino == ours
    assert [path.name for path in store.path(PLAIN).parent.iterdir()] == [PLAIN.digest[7:]]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_killed_while_the_files_become_one_the_layer_is_here(tmp_path, call):
    for number in itertools.count():
        store = Store(tmp_path / str(number))
        rebuild(store)
        theirs = tmp_path / "content"
        theirs.write_bytes(LAYERS[1])

        def share(store=store, theirs=theirs, number=number):
            owner = Path if call == "replace" else os
            setattr(owner, call, dying_at(number, getattr(owner, call)))
            with theirs.open("rb", buffering=0) as file:
                store.share(PLAIN, file, lambda: False)

        was_killed = killed(share)
        store = Store(store.root)
        assert store.has(CHANGED)
        assert store.collect_garbage([LOCK]) >= 0
        with theirs.open("rb", buffering=0) as file:
            store.share(PLAIN, file, lambda: False)
        assert store.path(PLAIN).samefile(theirs)
        assert [path.name for path in store.path(PLAIN).parent.iterdir()] == [PLAIN.digest[7:]]
        theirs.unlink()
        if not was_killed:
            break
    assert number
