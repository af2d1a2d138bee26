import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from kelvin_provision.context import silent
from kelvin_provision.errors import DigestMismatch, ImageUnsupported, NoSpace, PermissionRefused, PlatformMissing
from kelvin_provision.runtimes.containerd.runtime import ContainerdRuntime
from kelvin_provision.spec.rebuilt import local_root
from kelvin_provision.staging.importing import put_back, put_in_runtime
from kelvin_provision.store import Store
from kelvin_provision.store.blobs.ingest import ingest
from tests.contract.runtime_contract import HERE, NARROW, RuntimeContract, flip, image, rebuilt, reference, staged
from tests.kit.ctr import Outside
from tests.kit.images import make_image, random_image, tar_of
from tests.kit.locks import blobs_in, lock_of
from tests.kit.servers import newer
from tests.kit.servers.containerd import containerd_server
from tests.kit.waiting import until

__all__ = ["rebuilt", "staged"]
pytestmark = pytest.mark.containerd
KILLED = """
import json, os, pathlib, signal, sys
from kelvin_provision.runtimes.containerd.runtime import ContainerdRuntime
from kelvin_provision.spec.lock import ImageLock

address, ctr, lock, folder = sys.argv[1:]
lock = ImageLock.from_json(json.loads(pathlib.Path(lock).read_text()))

def blob(part):
    if part == lock.layers[1]:
        os.kill(os.getpid(), signal.SIGKILL)
    return pathlib.Path(folder, part.digest.replace(":", "-"))

ContainerdRuntime(address, command=(ctr,)).load(lock, blob)
"""


@pytest.fixture
def address(containerd_and_ctr):
    return containerd_and_ctr[0]


@pytest.fixture
def ctr(containerd_and_ctr):
    """The client of the same release."""
    return containerd_and_ctr[1]


@pytest.fixture
def outside(address, ctr):
    return Outside(address, ctr)


@pytest.fixture
def runtime(address, ctr, outside):
    """After the test nothing of ours is left, also in a containerd that is not the suite's."""
    yield ContainerdRuntime(address, command=(ctr,))
    names = outside.ctr("images", "ls", "-q", 'name~="registry.example.org/acme/"').split()
    digests = {line.split()[2] for line in outside.ctr("images", "ls", 'name~="registry.example.org/acme/"').splitlines()[1:]}
    for digest in digests:
        names += outside.ctr("images", "ls", "-q", f"target.digest=={digest}").split()
    if names:
        outside.ctr("images", "rm", "--sync", *dict.fromkeys(names))


def leases(outside):
    """Also those of imports that others make meanwhile, which end with them."""
    return {line.split()[0] for line in outside.ctr("leases", "ls").splitlines()[1:]}


class TestContainerd(RuntimeContract):
    """And what only containerd can get wrong."""

    def test_the_name_is_the_repository_and_the_digest_and_nothing_else(self, runtime, staged, outside):
        lock, blob = staged()
        runtime.load(lock, blob)
        names = outside.ctr("images", "ls", "-q", f"target.digest=={lock.root.digest}").split()
        assert {name for name in names if not name.startswith("sha256:")} == {f"{lock.reference.name}@{lock.manifest.digest}"}

    def test_it_is_labelled_as_pinned_and_ours(self, runtime, staged, outside):
        lock, blob = staged()
        runtime.load(lock, blob)
        row = outside.ctr("images", "ls", f'name=="{lock.name}"')
        assert "io.cri-containerd.pinned=pinned" in row
        assert f"kelvin-provision/image={lock.config.digest}" in row

    def test_a_pin_that_somebody_removed_comes_back(self, runtime, staged, outside):
        lock, blob = staged()
        runtime.load(lock, blob)
        outside.ctr("images", "label", lock.name, "io.cri-containerd.pinned=")
        runtime.load(lock, blob)
        assert "io.cri-containerd.pinned=pinned" in outside.ctr("images", "ls", f'name=="{lock.name}"')

    def test_a_pin_that_another_import_dropped_comes_back(self, runtime, staged, outside):
        """2.x drops the labels with the import, 1.6 keeps them: both end pinned."""
        lock, blob = staged()
        runtime.load(lock, blob)
        outside.ctr("images", "label", lock.name, "io.cri-containerd.pinned=", f"kelvin-provision/image={lock.config.digest}")
        outside.put(lock, blob)
        runtime.pin(lock)
        row = outside.ctr("images", "ls", f'name=="{lock.name}"')
        assert "io.cri-containerd.pinned=pinned" in row
        assert lock.name in runtime.owned()

    def test_an_image_collected_by_the_kubelet_is_missing_and_comes_back(self, runtime, staged, outside):
        lock, blob = staged()
        runtime.load(lock, blob)
        names = outside.ctr("images", "ls", "-q", f"target.digest=={lock.root.digest}").split()
        outside.ctr("images", "rm", "--sync", *names)
        assert not runtime.has(lock)
        assert lock.name not in runtime.owned()
        runtime.load(lock, blob)
        assert runtime.has(lock)

    def test_content_that_went_missing_under_the_name_is_noticed(self, runtime, staged, outside):
        lock, blob = staged()
        runtime.load(lock, blob)
        outside.ctr("content", "rm", lock.config.digest)
        assert not runtime.has(lock)

    def test_layers_that_were_discarded_after_the_unpack_are_not_missed(self, runtime, staged, outside):
        lock, blob = staged()
        runtime.load(lock, blob)
        outside.ctr("content", "rm", *(layer.digest for layer in lock.layers))
        assert runtime.has(lock)

    def test_a_name_that_points_at_another_image_is_not_believed_and_not_pinned(self, runtime, staged, outside):
        (lock, _), (other, blob) = staged(), staged()
        outside.put(other, blob)
        outside.ctr("images", "tag", other.name, lock.name)
        outside.ctr("images", "label", lock.name, "kelvin-provision/image=x")
        assert not runtime.has(lock)
        runtime.pin(lock)
        assert "pinned" not in outside.ctr("images", "ls", f'name=="{lock.name}"')

    def test_an_image_that_a_container_uses_stays_until_it_does_not(self, runtime, staged, outside):
        lock, blob = staged()
        runtime.load(lock, blob)
        outside.ctr("containers", "create", lock.name, "user-of-it")
        try:
            runtime.remove(lock)
            assert runtime.has(lock)
        finally:
            outside.ctr("containers", "rm", "user-of-it")
        runtime.remove(lock)
        assert not runtime.has(lock)

    def test_an_image_known_by_another_name_loses_only_ours(self, runtime, staged, outside):
        lock, blob = staged()
        runtime.load(lock, blob)
        theirs = f"{lock.reference.name}:theirs"
        outside.ctr("images", "tag", lock.name, theirs)
        runtime.remove(lock)
        assert not runtime.has(lock)
        assert outside.ctr("images", "check", "-q", f"name=={theirs}").strip() == theirs

    def test_the_name_that_the_cri_made_beside_ours_goes_with_ours(self, runtime, staged, outside):
        lock, blob = staged()
        runtime.load(lock, blob)
        outside.ctr("images", "tag", "--force", lock.name, lock.config.digest)
        runtime.remove(lock)
        assert not outside.holds(lock)

    def test_the_name_that_the_cri_made_stays_while_another_name_needs_it(self, runtime, staged, outside):
        lock, blob = staged()
        runtime.load(lock, blob)
        theirs = f"{lock.reference.name}:theirs"
        outside.ctr("images", "tag", "--force", lock.name, lock.config.digest, theirs)
        runtime.remove(lock)
        names = outside.ctr("images", "ls", "-q", f"target.digest=={lock.root.digest}").split()
        assert set(names) == {theirs, lock.config.digest}

    def test_wrong_bytes_are_found_when_the_same_files_were_unpacked_before(self, runtime, tmp_path, outside):
        """containerd skips the unpack and then reports a success."""
        layers = [tar_of({"same": os.urandom(3000)})]
        plain, packed = (make_image(layers, architecture=HERE.architecture, compress=compress) for compress in (False, True))
        runtime.load(lock_of(plain, reference(), HERE), blobs_in(tmp_path / "plain", plain))
        lock, blob = lock_of(packed, reference(), HERE), blobs_in(tmp_path / "packed", packed)
        flip(blob(lock.layers[0]))
        with pytest.raises(DigestMismatch, match=lock.layers[0].digest):
            runtime.load(lock, blob)
        assert not runtime.has(lock)
        assert not outside.holds(lock)

    def test_an_import_that_was_never_labelled_is_unpacked_anew(self, runtime, outside, tmp_path, address):
        """A power cut after the unpack leaves empty files behind a snapshot that containerd believes in."""
        if address == os.environ.get("KELVIN_PROVISION_TEST_CONTAINERD"):
            pytest.skip("writes into the folders of containerd, which must be the suite's own")
        content, name = os.urandom(3000), f"program-{os.urandom(4).hex()}"  # one of its own: images of other tests may be here still
        snapshots = f"root/*overlayfs/snapshots/*/fs/{name}"
        picture = make_image([tar_of({name: content})], architecture=HERE.architecture)
        lock, blob = lock_of(picture, reference(), HERE), blobs_in(tmp_path / "blobs", picture)
        outside.put(lock, blob)
        (unpacked,) = Path(address).parent.glob(snapshots)
        unpacked.write_bytes(b"")
        assert not runtime.has(lock)
        runtime.load(lock, blob)
        assert [path.read_bytes() for path in Path(address).parent.glob(snapshots)] == [content]

    def test_a_foreign_layer_is_refused_before_a_byte_is_spent(self, runtime, staged):
        lock, _ = staged()
        foreign = dataclasses.replace(lock.layers[0], media_type="application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")
        with pytest.raises(ImageUnsupported, match="foreign"):
            runtime.check(dataclasses.replace(lock, layers=(foreign,)))

    def test_a_kill_in_mid_stream_leaves_nothing_that_is_believed(self, runtime, staged, outside, address, ctr, tmp_path):
        lock, blob = staged(image(os.urandom(2 << 20)))
        (tmp_path / "lock.json").write_text(json.dumps(lock.to_json()))
        program = tmp_path / "load.py"
        program.write_text(KILLED)
        died = subprocess.run(
            [sys.executable, str(program), address, ctr, str(tmp_path / "lock.json"), str(blob(lock.config).parent)],
            check=False,
            env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        )
        assert died.returncode == -signal.SIGKILL
        assert not runtime.has(lock)
        runtime.load(lock, blob)
        assert runtime.has(lock)
        left = leases(outside)
        until(lambda: not left & leases(outside), why=lambda: f"a lease would keep what was half imported: {left}")

    def test_without_permission_on_the_socket_it_says_so(self, runtime):
        os.seteuid(65534)
        try:
            with pytest.raises(PermissionRefused, match="no permission to use containerd on"):
                runtime.info()
        finally:
            os.seteuid(0)

    def test_the_content_is_a_file_that_can_be_linked_whichever_namespace_it_came_for(self, runtime, staged, address, ctr, outside):
        lock, blob = staged()
        outside.put(lock, blob)
        other = ContainerdRuntime(address, "other", (ctr,))
        with runtime.open_blob(lock.layers[0]) as file, other.open_blob(lock.layers[0]) as same:
            assert file.name == same.name
            assert Path(file.name).parts[-4:-1] == ("io.containerd.content.v1.content", "blobs", "sha256")

    def test_a_local_name_with_our_label_is_no_staged_image(self, runtime, staged, outside):
        """As `ctr images tag` leaves it, if the power goes before its labels are set."""
        lock, blob = staged()
        name = reference("helper")
        runtime.load(lock, blob)
        outside.ctr("images", "tag", lock.name, name)
        outside.ctr("images", "label", name, "kelvin-provision/image=x")
        owned = runtime.owned()
        assert (lock.name in owned, name in owned) == (True, False)
        runtime.clear_name(name, lock)
        assert runtime.targets([name]) == {}

    def test_a_short_reference_becomes_its_full_name(self, runtime, tmp_path, outside):
        """A short name in containerd poisons the node: the CRI resolves the full one only."""
        made = image()
        lock = lock_of(made, "pump:1.0.0", HERE)
        runtime.load(lock, blobs_in(tmp_path / "blobs", made))
        names = outside.ctr("images", "ls", "-q", f"target.digest=={made.digest}").split()
        runtime.remove(lock)
        assert {name for name in names if not name.startswith("sha256:")} == {f"docker.io/library/pump@{made.digest}"}


def test_a_32_bit_image_is_taken_where_the_settings_say_so(address, ctr, runtime, staged):
    lock, blob = staged(image(platform=NARROW), platform=NARROW)
    with pytest.raises(PlatformMissing):
        runtime.check(lock)
    told = ContainerdRuntime(address, command=(ctr,), runs_32_bit=True)
    told.check(lock)
    told.load(lock, blob)
    assert told.has(lock)
    assert [status.state for status in told.inspect([lock]).values()] == ["complete"]


@pytest.mark.parametrize("release", ["containerd-installed", "containerd-newer"])
def test_a_full_disk_is_no_space_and_nothing_stays_of_the_image(release):
    """The cause comes last in what `ctr` says, and 2.x says several hundred characters before it."""
    if os.geteuid() != 0 or not shutil.which("containerd"):
        pytest.skip("needs containerd and root, to mount a small disk")
    if release == "containerd-newer" and newer.why_not():
        pytest.skip(newer.why_not())
    programs = newer.folder() if release == "containerd-newer" else None
    ctr = str(programs / "ctr") if programs else "ctr"
    with (
        tempfile.TemporaryDirectory(prefix="containerd-") as name,
        small_disk(Path(name, "root"), mebibytes=16),
        containerd_server(Path(name), programs=programs) as address,
    ):
        runtime, outside = ContainerdRuntime(address, command=(ctr,)), Outside(address, ctr)
        big, small = random_image([24 << 20], architecture=HERE.architecture), image()
        lock = lock_of(big, reference(), HERE)
        with pytest.raises(NoSpace):
            runtime.load(lock, blobs_in(Path(name, "big"), big))
        assert not runtime.has(lock)
        assert not outside.holds(lock)
        until(lambda: "tar-blobs" not in outside.ctr("content", "active"))  # 2.x collects what it has of the big one a moment later
        lock = lock_of(small, reference(), HERE)
        runtime.load(lock, blobs_in(Path(name, "small"), small))
        assert runtime.has(lock)


@contextmanager
def small_disk(place: Path, *, mebibytes: int):
    place.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_rebuilt_layer_takes_space_once_with_the_content_of_containerd(runtime, rebuilt, outside, address):
    """And stays in the store when somebody removes the image."""
    (base, base_blob), (lock, blob, plain) = rebuilt()
    runtime.load(base, base_blob)
    (layer,) = plain.values()
    with tempfile.TemporaryDirectory(dir=Path(address).parent) as folder:
        store = Store(Path(folder))
        with store.rebuilding(lock.layers[1], layer) as output:
            os.write(output.descriptor, blob(layer).read_bytes())
            output.commit()
        for document in (lock.manifest, lock.config):
            store.put(document, blob(document).read_bytes())
        with runtime.open_blob(lock.layers[0]) as file:
            assert ingest(store, lock.layers[0], file, lambda: False)
        put_in_runtime(lock, store, runtime, silent)
        with runtime.open_blob(layer) as file:
            assert store.path(layer).samefile(file.name)
        outside.ctr(
            "images", "rm", "--sync", *outside.ctr("images", "ls", "-q", f"target.digest=={local_root(lock, plain)[1].digest}").split()
        )
        assert not runtime.has(lock)
        assert store.lacking(lock) == ()
        assert put_back([lock], store, runtime, silent) == ((lock,), ())
        assert runtime.has(lock)


def test_a_name_with_a_rebuilt_layer_says_which_image_it_is(runtime, rebuilt, outside):
    (base, base_blob), (lock, blob, plain) = rebuilt()
    runtime.load(base, base_blob)
    runtime.load(lock, blob, plain)
    _, root = local_root(lock, plain)
    row = outside.ctr("images", "ls", f'name=="{lock.name}"')
    assert root.digest in row.split()
    assert f"kelvin-provision/original={lock.manifest.digest}" in row
    assert f"kelvin-provision/local={root.digest}" in row


def test_a_label_is_not_believed_of_another_image(runtime, rebuilt, staged, outside):
    """Somebody moves the name and leaves its labels."""
    (base, base_blob), (lock, blob, plain) = rebuilt()
    runtime.load(base, base_blob)
    runtime.load(lock, blob, plain)
    other, other_blob = staged()
    outside.put(other, other_blob)
    outside.ctr("images", "tag", "--force", other.name, lock.name)
    labels = (f"kelvin-provision/original={lock.manifest.digest}", f"kelvin-provision/local={local_root(lock, plain)[1].digest}")
    outside.ctr("images", "label", lock.name, *labels, f"kelvin-provision/image={lock.config.digest}")
    assert not runtime.has(lock)
    assert runtime.inspect([lock])[lock.name].state == "other digest"
    assert runtime.targets([lock.name]) == {lock.name: other.root.digest}
    runtime.load(lock, blob, plain)
    assert runtime.has(lock)
