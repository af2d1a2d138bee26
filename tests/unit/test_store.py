import json
import os
import shutil
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from kelvin_provision.errors import DigestMismatch, Locked, ManifestInvalid
from kelvin_provision.refs import Descriptor, Platform, Reference
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.store import Store
from tests.kit.blobs import HELLO, described
from tests.kit.images import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Image, make_image, sha256, tar_of


def lock_of(image: Image, reference: str) -> ImageLock:
    document = json.loads(image.manifest)
    return ImageLock(
        reference=Reference.parse(reference),
        platform=Platform("linux", "amd64"),
        manifest=Descriptor(OCI_MANIFEST, image.digest, len(image.manifest)),
        config=Descriptor(OCI_CONFIG, document["config"]["digest"], document["config"]["size"]),
        layers=tuple(Descriptor(layer["mediaType"], layer["digest"], layer["size"]) for layer in document["layers"]),
    )


def put_all(store: Store, image: Image, lock: ImageLock) -> None:
    for blob in lock.blobs():
        store.put(blob, image.blobs.get(blob.digest, image.manifest))


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "state")


def test_reading_an_empty_store_writes_nothing(store):
    assert not store.has(described(HELLO))
    assert store.progress([lock_of(make_image([b"x"]), "x:1")])[0] == 0
    assert not store.root.exists()


def test_a_document_is_stored_under_its_digest(store):
    store.put(described(HELLO), HELLO)
    assert store.has(described(HELLO))
    assert store.path(described(HELLO)).read_bytes() == b"hello, layer"
    assert store.path(described(HELLO)).relative_to(store.layout.images).as_posix() == f"blobs/sha256/{sha256(HELLO)[7:]}"


def test_a_document_with_another_digest_is_not_stored(store):
    with pytest.raises(DigestMismatch):
        store.put(described(HELLO), b"jello, layer")
    assert not store.has(described(HELLO))


def test_folders_are_private(store):
    store.put(described(HELLO), HELLO)
    folders = [store.root, *(path for path in store.root.rglob("*") if path.is_dir())]
    assert {oct(path.stat().st_mode & 0o777) for path in folders} == {"0o700"}


@pytest.mark.parametrize("name", ["../../etc/passwd", "sha256:..", "md5:d41d8cd98f00b204e9800998ecf8427e", "sha256:ABC"])
def test_no_name_leads_out_of_the_store(store, name):
    with pytest.raises(ManifestInvalid):
        store.path(name)


def test_a_download_is_resumed_at_its_last_byte(store):
    blob = described(HELLO)
    with store.partial(blob) as part:
        part.write(b"hello")
    assert store.bytes_present(blob) == 5
    with Store(store.root).partial(blob) as part:
        assert part.offset == 5
        part.write(b", layer")
        part.commit()
    assert store.has(blob)
    assert list(store.layout.partials.iterdir()) == []


def test_a_source_that_restarts_a_blob_truncates_the_partial(store):
    with store.partial(described(HELLO)) as part:
        part.write(b"rubbish")
        part.truncate()
        assert part.offset == 0
        part.write(HELLO)
        part.commit()
    assert store.has(described(HELLO))


def test_a_sha512_blob_is_verified_as_one(store):
    import hashlib

    blob = Descriptor(OCI_LAYER, "sha512:" + hashlib.sha512(HELLO).hexdigest(), len(HELLO))
    with store.partial(blob) as part:
        part.write(HELLO)
        part.commit()
    assert store.has(blob)


def test_wrong_content_is_quarantined_and_named(store):
    blob = described(HELLO)
    for _ in range(4):
        with store.partial(blob) as part:
            part.write(b"jello, layer")
            with pytest.raises(DigestMismatch, match=blob.digest):
                part.commit()
        assert not store.has(blob)
    assert sorted(path.name for path in store.layout.quarantine.iterdir()) == [f"{blob.digest}-1", f"{blob.digest}-2"]
    assert (store.layout.quarantine / f"{blob.digest}-1").read_bytes() == b"jello, layer"
    assert list(store.layout.partials.iterdir()) == []


def test_more_bytes_than_expected_are_refused_before_they_fill_the_disk(store):
    with store.partial(described(HELLO)) as part, pytest.raises(DigestMismatch, match="more than the expected 12 bytes"):
        part.write(HELLO + b"!")
    assert not store.has(described(HELLO))


def test_a_short_blob_is_not_committed_and_kept(store):
    with store.partial(described(HELLO)) as part:
        part.write(HELLO[:5])
        with pytest.raises(DigestMismatch, match="only 5 of 12"):
            part.commit()
    assert store.bytes_present(described(HELLO)) == 5


def test_a_partial_that_is_too_long_is_truncated(store):
    with store.partial(described(HELLO)):
        pass
    next(store.layout.partials.iterdir()).write_bytes(HELLO * 2)
    with store.partial(described(HELLO)) as part:
        assert part.offset == 0


def test_a_file_of_the_right_size_with_wrong_content_is_quarantined(store):
    store.put(described(b"other"), b"other")
    store.path(described(HELLO)).write_bytes(b"jello, layer")
    assert not store.has(described(HELLO))
    assert not store.path(described(HELLO)).exists()
    assert [path.read_bytes() for path in store.layout.quarantine.iterdir()] == [b"jello, layer"]


def test_who_says_another_size_of_a_blob_takes_it_from_nobody(store):
    blob = described(HELLO)
    store.put(blob, HELLO)
    assert not store.has(replace(blob, size=blob.size + 1))
    assert store.has(blob)


def test_a_foreign_file_is_hashed_once(store):
    store.put(described(b"other"), b"other")
    store.path(described(HELLO)).write_bytes(HELLO)
    assert store.has(described(HELLO))
    record = (store.root / "verified").read_text()
    assert Store(store.root).has(described(HELLO))
    assert (store.root / "verified").read_text() == record
    assert record.count(sha256(HELLO)) == 1


def test_a_blob_that_was_changed_after_verification_is_not_trusted(store):
    store.put(described(HELLO), HELLO)
    store.path(described(HELLO)).write_bytes(b"jello, layer")
    assert not store.has(described(HELLO))


def test_bit_rot_that_the_file_system_does_not_know_of_is_found_by_verifying(store):
    store.put(described(HELLO), HELLO)
    path = store.path(described(HELLO))
    before = path.stat()
    path.write_bytes(b"jello, layer")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not store.verify(described(HELLO))
    assert not store.has(described(HELLO))


def test_a_descriptor_with_another_size_is_another_blob(store):
    store.put(described(HELLO), HELLO)
    assert not store.has(Descriptor(OCI_LAYER, sha256(HELLO), 11))


@pytest.mark.parametrize("damage", [b"", b"\0" * 200, b"12 12 12 sha256:abc", b"\xff\xfe"])
def test_a_torn_verification_log_costs_a_hash_and_no_blob(store, damage):
    store.put(described(HELLO), HELLO)
    (store.root / "verified").write_bytes(damage)
    assert store.has(described(HELLO))
    store.put(described(b"next"), b"next")
    assert Store(store.root).has(described(b"next"))


def test_two_threads_or_processes_never_write_one_partial(store):
    blob = described(HELLO)
    with store.partial(blob) as part:
        part.write(b"hello")
        with pytest.raises(Locked), Store(store.root).partial(blob):
            pass
        code = f"""
            from pathlib import Path
            from kelvin_provision.errors import Locked
            from kelvin_provision.refs import Descriptor
            from kelvin_provision.store import Store
            try:
                with Store(Path({str(store.root)!r})).partial(Descriptor("x", {blob.digest!r}, 12)):
                    print("written twice")
            except Locked as error:
                print(error)
        """
        answer = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True, cwd=Path.cwd())
        assert answer.stdout == f"sha256-{blob.digest[7:]} is being downloaded by another process\n"
        part.write(b", layer")
        part.commit()
    with store.partial(blob) as part:
        assert part.offset == 0, "the file that was renamed away is not the one to be written"


def test_progress_counts_shared_blobs_once_and_partial_ones_by_their_bytes(store):
    base = tar_of({"base": b"b" * 100})
    one, two = make_image([base, tar_of({"one": b"1"})]), make_image([base, tar_of({"two": b"2"})])
    locks = [lock_of(one, "x:1"), lock_of(two, "x:2")]
    total = sum(len(data) for data in {**one.blobs, **two.blobs}.values()) + len(one.manifest) + len(two.manifest)
    assert store.progress(locks) == (0, total)
    layer = locks[0].layers[0]
    with store.partial(layer) as part:
        part.write(one.blobs[layer.digest][:10])
        assert Store(store.root).progress(locks) == (10, total)


def test_garbage_collection_frees_what_no_image_needs_and_nothing_else(store):
    base = tar_of({"base": b"b" * 100})
    one, two = make_image([base, tar_of({"one": b"1"})]), make_image([base, tar_of({"two": b"2"})])
    old, new = lock_of(one, "x:1"), lock_of(two, "x:2")
    for image, lock in ((one, old), (two, new)):
        put_all(store, image, lock)
        store.tag(lock)
    with store.partial(described(HELLO)) as part:
        part.write(b"hello")
    gone = {blob.digest: blob.size for blob in old.blobs()}
    for blob in new.blobs():
        gone.pop(blob.digest, None)
    assert store.collect_garbage([new]) == sum(gone.values()) + 5
    assert all(store.has(blob) for blob in new.blobs())
    assert not any(store.path(digest).exists() for digest in gone)
    assert [entry["digest"] for entry in json.loads((store.layout.images / "index.json").read_text())["manifests"]] == [two.digest]
    assert store.collect_garbage([new]) == 0


def test_garbage_collection_leaves_a_running_download_alone(store):
    image = make_image([tar_of({"one": b"1"})])
    lock = lock_of(image, "x:1")
    with store.lease([lock]):
        put_all(store, image, lock)
        with store.partial(described(HELLO)) as part:
            part.write(b"hello")
            assert Store(store.root).collect_garbage([]) == 0
            part.write(b", layer")
            part.commit()
        assert all(store.has(blob) for blob in lock.blobs())
    assert store.collect_garbage([]) == lock.size + 12


def test_the_lease_of_a_killed_download_ends_with_it(store):
    image = make_image([tar_of({"one": b"1"})])
    lock = lock_of(image, "x:1")
    child = os.fork()
    if child == 0:
        with store.lease([lock]):
            put_all(store, image, lock)
            os._exit(0)
    os.waitpid(child, 0)
    assert store.collect_garbage([]) == lock.size
    assert list((store.root / "in-use").iterdir()) == []


def test_a_tag_moves_and_the_older_image_keeps_its_digest_name(store):
    one, two = make_image([tar_of({"one": b"1"})]), make_image([tar_of({"two": b"2"})])
    for image in (one, two, two):
        store.tag(lock_of(image, "registry.test/x:1"))
    names = {e["digest"]: e["annotations"] for e in json.loads((store.layout.images / "index.json").read_text())["manifests"]}
    assert names == {
        one.digest: {
            "io.containerd.image.name": f"registry.test/x@{one.digest}",
            "org.opencontainers.image.ref.name": f"registry.test/x@{one.digest}",
        },
        two.digest: {"io.containerd.image.name": f"registry.test/x@{two.digest}", "org.opencontainers.image.ref.name": "registry.test/x:1"},
    }
    store.untag(lock_of(one, "registry.test/x:1"))
    store.untag(lock_of(two, "registry.test/x:1"))
    assert json.loads((store.layout.images / "index.json").read_text())["manifests"] == []


def test_a_damaged_index_is_quarantined_and_a_new_one_started(store):
    store.put(described(HELLO), HELLO)
    (store.layout.images / "index.json").write_bytes(b'{"schemaVersion":2,"mani')
    lock = lock_of(make_image([b"x"]), "x:1")
    store.tag(lock)
    assert len(json.loads((store.layout.images / "index.json").read_text())["manifests"]) == 1
    assert (store.layout.quarantine / "index.json-1").exists()


@pytest.mark.skopeo
@pytest.mark.skipif(not shutil.which("skopeo"), reason="skopeo is not installed")
def test_skopeo_reads_the_layout_by_reference(store):
    image = make_image([tar_of({"one": b"1"})])
    lock = lock_of(image, "127.0.0.1:5000/line/motor-speed:1.0.0")
    put_all(store, image, lock)
    store.tag(lock)
    name = f"oci:{store.layout.images}:127.0.0.1:5000/line/motor-speed:1.0.0"
    answer = subprocess.run(["skopeo", "inspect", name], capture_output=True, text=True, check=True)
    assert json.loads(answer.stdout)["Digest"] == image.digest
    assert json.loads(answer.stdout)["Layers"] == [lock.layers[0].digest]


CRASH = """
    import os, sys
    from pathlib import Path
    from kelvin_provision.refs import Descriptor
    from kelvin_provision.store import Store

    left = int(sys.argv[2])

    def dying(call):
        def wrapper(*args, **kwargs):
            global left
            left -= 1
            if left < 0:
                os._exit(9)
            return call(*args, **kwargs)
        return wrapper

    for name in ("open", "write", "fsync", "fdatasync", "rename", "replace", "mkdir", "unlink", "ftruncate"):
        setattr(os, name, dying(getattr(os, name)))

    store, blob = Store(Path(sys.argv[1])), Descriptor("x", sys.argv[3], 12)
    with store.partial(blob) as part:
        if part.offset < 12:
            part.write(b"hello, layer"[part.offset:8])
            part.write(b"hello, layer"[part.offset:])
        part.commit()
"""


@pytest.mark.slow
def test_a_kill_between_any_two_steps_leaves_a_usable_store(tmp_path):
    blob, steps = described(HELLO), 0
    while True:
        root = tmp_path / str(steps)
        child = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(CRASH), str(root), str(steps), blob.digest],
            cwd=Path.cwd(),
            check=False,
            capture_output=True,
        )
        store = Store(root)
        assert not store.path(blob).exists() or store.path(blob).read_bytes() == HELLO, steps
        if not store.has(blob):
            with store.partial(blob) as part:
                part.write(HELLO[part.offset :])
                part.commit()
        assert store.has(blob), steps
        store.tag(lock_of(make_image([b"x"]), "x:1"))
        assert store.collect_garbage([]) == 12
        assert not [
            path for path in root.rglob("*") if path.is_file() and path.name not in {"oci-layout", "index.json", "store.lock", "verified"}
        ]
        if child.returncode == 0:
            break
        assert child.returncode == 9, child.stderr
        steps += 1
    assert steps > 15
