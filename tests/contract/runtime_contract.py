"""What every runtime must do. Subclasses give three fixtures:

`runtime`: the runtime under test. `outside`: the same daemon past our code, with `put(lock, blob)`, which imports an image
without making it ours, and `holds(lock)`, whether the image is there by any name. `identity`: from a lock to what
`owned()` says of it; by another way than the runtime's own.
"""

import dataclasses
import itertools
import os

import pytest

from kelvin_provision.errors import DigestMismatch, ImageUnsupported, ImportFailed, PlatformMissing, ProvisionError
from kelvin_provision.refs import Descriptor, Platform
from kelvin_provision.spec.identity import identities
from kelvin_provision.spec.rebuilt import local_root, plain_layer
from tests.kit.images import OCI_LAYER, image_of_type, index_of, make_image, sha256, tar_of
from tests.kit.locks import blobs_in, lock_of

HERE = Platform.of_this_host()
NARROW = Platform("linux", {"amd64": "386", "arm64": "arm"}.get(HERE.architecture, "386"))
"""An image for it may be taken by a box that is told to: that of 32 bits."""

ELSEWHERE = Platform("linux", "arm64" if HERE.architecture != "arm64" else "amd64")
_numbers = itertools.count()


def image(*contents: bytes, platform: Platform = HERE):
    """A new image: a layer of its own, and one for each of `contents`."""
    layers = [tar_of({"own": os.urandom(2000)}), *(tar_of({f"file{number}": data}) for number, data in enumerate(contents))]
    return make_image(layers, architecture=platform.architecture)


def reference(name: str = "app") -> str:
    return f"registry.example.org/acme/{name}{next(_numbers)}:1.0.0"


def flip(path) -> None:
    """Change a byte in the middle: the last ones of a gzip stream are not read by every engine."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))


def read(file) -> bytes:
    """To its end; a pipe gives what is in it just now."""
    return b"".join(iter(lambda: file.read(1 << 20), b""))


@pytest.fixture
def staged(tmp_path):
    """From an image to its lock and its blobs in files, as the store would have them."""

    def stage(picture=None, *, platform: Platform = HERE, name: str = "app"):
        picture = picture or image()
        return lock_of(picture, reference(name), platform), blobs_in(tmp_path / "blobs", picture)

    return stage


def known(runtime, *locks):
    """What the runtime says of these images and no others: other tests use the same runtime meanwhile."""
    ours = frozenset().union(*map(identities, locks))
    digests = [digest.partition("@")[2] or digest for digest in ours]
    return runtime.owned() & ours, {name for name in runtime.image_names() if name in ours or any(digest in name for digest in digests)}


@pytest.fixture
def rebuilt(tmp_path):
    """From the contents of a base and of one more layer: the base image, and another one whose last layer is rebuilt.

    Both as lock and blobs; the second with its plain layers, without its compressed last layer, and with nothing that the base has.
    """

    def make(*, docker=False):
        base_layer, new_layer = tar_of({"base": os.urandom(2000)}), tar_of({"new": os.urandom(2000)})
        kind = "application/vnd.docker.image.rootfs.diff.tar.gzip" if docker else OCI_LAYER
        first, second = (image_of_type(layers, kind, architecture=HERE.architecture) for layers in ([base_layer], [base_layer, new_layer]))
        base, lock = lock_of(first, reference(), HERE), lock_of(second, reference(), HERE)
        layer = lock.layers[1]
        plain = {layer.digest: plain_layer(layer, lock.diff_ids[1], len(new_layer))}
        blobs = blobs_in(tmp_path / "base", first), blobs_in(tmp_path / "rebuilt", second, new_layer)
        for gone in lock.layers:
            blobs[1](gone).unlink()
        return (base, blobs[0]), (lock, blobs[1], plain)

    return make


class RuntimeContract:
    @pytest.fixture
    def identity(self):
        return lambda lock: lock.name

    @pytest.fixture
    def keeps(self):
        """Whether it keeps blobs as they came."""
        return True

    def test_info_names_the_runtime(self, runtime):
        info = runtime.info()
        assert info.name == runtime.name
        assert info.version[0].isdigit()
        assert info.platform == HERE

    def test_an_image_is_not_there_before_it_is_loaded(self, runtime, staged):
        lock, _ = staged()
        assert not runtime.has(lock)

    def test_a_loaded_image_is_there_and_ours(self, runtime, staged, identity):
        lock, blob = staged()
        runtime.load(lock, blob)
        assert runtime.has(lock)
        assert identity(lock) in runtime.owned()

    def test_loading_twice_is_loading_once(self, runtime, staged, identity):
        lock, blob = staged()
        runtime.load(lock, blob)
        before = known(runtime, lock)
        runtime.load(lock, blob)
        assert runtime.has(lock)
        assert known(runtime, lock) == before

    def test_a_removed_image_is_gone_and_can_come_back(self, runtime, staged, outside, identity):
        lock, blob = staged()
        runtime.load(lock, blob)
        runtime.remove(lock)
        assert not runtime.has(lock)
        assert not outside.holds(lock)
        assert identity(lock) not in runtime.owned()
        runtime.load(lock, blob)
        assert runtime.has(lock)

    def test_inspect_tells_the_status_of_each_image_and_changes_nothing(self, runtime, staged, outside):
        (ours, blob), (theirs, other), (absent, _) = staged(), staged(), staged()
        runtime.load(ours, blob)
        outside.put(theirs, other)
        before = known(runtime, ours, theirs, absent)
        status = runtime.inspect([ours, theirs, absent])
        assert (status[ours.name].state, status[ours.name].ours, status[ours.name].pinned) == ("complete", True, True)
        assert (status[theirs.name].usable, status[theirs.name].ours) == (True, False)
        assert (status[absent.name].state, status[absent.name].usable) == ("absent", False)
        assert known(runtime, ours, theirs, absent) == before
        assert runtime.inspect([]) == {}

    def test_removing_what_is_not_there_is_fine(self, runtime, staged):
        lock, _ = staged()
        runtime.remove(lock)
        runtime.remove(lock)

    def test_pinning_what_is_not_there_does_nothing(self, runtime, staged, identity):
        lock, _ = staged()
        runtime.pin(lock)
        assert not runtime.has(lock)
        assert identity(lock) not in runtime.owned()

    def test_pinning_twice_is_pinning_once(self, runtime, staged, identity):
        lock, blob = staged()
        runtime.load(lock, blob)
        runtime.pin(lock)
        runtime.pin(lock)
        assert runtime.has(lock)
        assert identity(lock) in runtime.owned()

    def test_a_blob_of_an_image_is_opened_as_it_was_imported_or_not_at_all(self, runtime, staged, outside, keeps):
        lock, blob = staged(image(os.urandom(3_000_000)))
        outside.put(lock, blob)
        for part in lock.blobs():
            with runtime.open_blob(part) as file:
                assert file is None if not keeps else read(file) == blob(part).read_bytes()

    def test_a_blob_that_was_never_imported_is_not_opened(self, runtime, staged):
        lock, _ = staged()
        with runtime.open_blob(lock.layers[0]) as file:
            assert file is None or read(file) == b""

    def test_an_image_of_another_client_stays(self, runtime, staged, outside, identity):
        lock, blob = staged()
        outside.put(lock, blob)
        assert identity(lock) not in runtime.owned()
        runtime.remove(lock)
        assert outside.holds(lock)

    def test_an_owned_image_is_removed_without_its_lock(self, runtime, staged, outside, identity):
        lock, blob = staged()
        runtime.load(lock, blob)
        runtime.remove_owned(identity(lock))
        assert not outside.holds(lock)
        assert identity(lock) not in runtime.owned()
        runtime.remove_owned(identity(lock))

    def test_an_image_of_another_client_is_not_removed_as_owned(self, runtime, staged, outside, identity):
        lock, blob = staged()
        outside.put(lock, blob)
        runtime.remove_owned(identity(lock))
        assert outside.holds(lock)

    def test_a_local_name_stands_for_the_image_it_was_set_to_last_until_it_is_cleared(self, runtime, staged, outside):
        (one, blob), (two, other) = staged(), staged()
        name = reference("helper")
        runtime.load(one, blob)
        runtime.load(two, other)
        before = known(runtime, one, two)
        assert runtime.targets([name]) == {}
        for lock in (one, one, two):
            runtime.set_name(name, lock)
            assert runtime.targets([name, reference("absent")])[name] in identities(lock)
        runtime.clear_name(name, one)
        assert runtime.targets([name])[name] in identities(two)
        runtime.clear_name(name, two)
        runtime.clear_name(name, two)
        assert runtime.targets([name]) == {}
        assert runtime.targets([]) == {}
        assert runtime.has(one)
        assert runtime.has(two)
        assert known(runtime, one, two) == before
        runtime.remove(two)
        assert not outside.holds(two)

    def test_a_local_name_of_an_image_that_is_missing_is_not_set(self, runtime, staged):
        lock, _ = staged()
        name = reference("helper")
        runtime.set_name(name, lock)
        runtime.clear_name(name, lock)
        assert runtime.targets([name]) == {}

    def test_a_local_name_keeps_an_image_that_is_removed_until_it_is_cleared(self, runtime, staged, outside, identity):
        lock, blob = staged()
        name = reference("helper")
        runtime.load(lock, blob)
        runtime.set_name(name, lock)
        runtime.remove(lock)
        assert identity(lock) not in runtime.owned()
        assert outside.holds(lock)
        runtime.clear_name(name, lock)
        assert not outside.holds(lock)

    def test_storage_folders_exist_on_this_machine(self, runtime):
        storage = runtime.storage()
        assert [folder for folder in (storage.unpacked, storage.compressed) if folder and not folder.is_dir()] == []

    def test_two_images_that_share_a_layer_do_not_take_it_from_each_other(self, runtime, staged):
        shared = os.urandom(5000)
        one, two = staged(image(shared)), staged(image(shared))
        runtime.load(*one)
        runtime.load(*two)
        runtime.remove(one[0])
        assert not runtime.has(one[0])
        assert runtime.has(two[0])

    def test_wrong_bytes_of_the_right_size_are_found_and_never_believed(self, runtime, staged, outside):
        lock, blob = staged(image(b"second layer"))
        flip(blob(lock.layers[1]))
        with pytest.raises((DigestMismatch, ImportFailed)):
            runtime.load(lock, blob)
        assert not runtime.has(lock)
        assert not outside.holds(lock)

    def test_a_wrong_config_is_found_and_never_believed(self, runtime, staged, outside):
        lock, blob = staged()
        path = blob(lock.config)
        path.write_bytes(path.read_bytes().replace(b"PATH=/bin", b"PATH=/bix"))
        with pytest.raises((DigestMismatch, ImportFailed)):
            runtime.load(lock, blob)
        assert not runtime.has(lock)
        assert not outside.holds(lock)

    def test_a_truncated_blob_is_named_and_nothing_stays(self, runtime, staged, outside):
        lock, blob = staged(image(b"second layer"))
        path = blob(lock.layers[1])
        path.write_bytes(path.read_bytes()[:-7])
        with pytest.raises(DigestMismatch, match=lock.layers[1].digest):
            runtime.load(lock, blob)
        assert not runtime.has(lock)
        assert not outside.holds(lock)

    def test_a_missing_blob_is_named_and_nothing_stays(self, runtime, staged, outside):
        lock, blob = staged()
        blob(lock.layers[0]).unlink()
        with pytest.raises(DigestMismatch, match=lock.layers[0].digest):
            runtime.load(lock, blob)
        assert not runtime.has(lock)
        assert not outside.holds(lock)

    def test_after_a_failure_the_right_bytes_load(self, runtime, staged):
        lock, blob = staged()
        flip(blob(lock.layers[0]))
        with pytest.raises(ProvisionError):
            runtime.load(lock, blob)
        flip(blob(lock.layers[0]))
        runtime.load(lock, blob)
        assert runtime.has(lock)

    def test_a_stream_that_is_interrupted_leaves_nothing_that_is_believed(self, runtime, staged, outside):
        lock, blob = staged(image(b"second layer"))

        def interrupted(part):
            if part == lock.layers[1]:
                raise KeyboardInterrupt
            return blob(part)

        with pytest.raises(KeyboardInterrupt):
            runtime.load(lock, interrupted)
        assert not runtime.has(lock)
        runtime.load(lock, blob)
        assert runtime.has(lock)

    def test_another_platform_is_refused_before_a_byte_is_spent(self, runtime, staged):
        lock, _ = staged(image(platform=ELSEWHERE), platform=ELSEWHERE)
        with pytest.raises(PlatformMissing, match=str(ELSEWHERE)):
            runtime.check(lock)

    def test_what_is_no_container_image_is_refused_before_a_byte_is_spent(self, runtime, staged):
        lock, _ = staged()
        chart = Descriptor("application/vnd.cncf.helm.chart.content.v1.tar+gzip", lock.layers[0].digest, lock.layers[0].size)
        with pytest.raises(ImageUnsupported, match="helm"):
            runtime.check(dataclasses.replace(lock, layers=(chart,)))

    def test_an_ordinary_image_is_accepted(self, runtime, staged):
        lock, _ = staged()
        runtime.check(lock)

    def test_a_wrong_architecture_that_the_lock_hides_is_found_after_the_load(self, runtime, staged, outside):
        lock, blob = staged(image(platform=ELSEWHERE), platform=HERE)
        with pytest.raises((ImportFailed, PlatformMissing)):
            runtime.load(lock, blob)
        assert not runtime.has(lock)
        assert not outside.holds(lock)

    def test_an_image_named_by_its_index_loads_with_only_our_platform_in_the_store(self, runtime, tmp_path, identity):
        ours, other = image(), image(platform=ELSEWHERE)
        index = index_of({str(HERE): ours, str(ELSEWHERE): other})
        lock = lock_of(ours, f"registry.example.org/acme/many@{sha256(index)}", HERE, index=index)
        blob = blobs_in(tmp_path / "blobs", ours, index)
        runtime.check(lock)
        runtime.load(lock, blob)
        assert runtime.has(lock)
        assert identity(lock) in runtime.owned()
        runtime.remove(lock)
        assert not runtime.has(lock)

    def test_an_uncompressed_layer_loads(self, runtime, tmp_path):
        plain = make_image([tar_of({"a": os.urandom(3000)})], architecture=HERE.architecture, compress=False)
        lock = lock_of(plain, reference(), HERE)
        runtime.load(lock, blobs_in(tmp_path / "blobs", plain))
        assert runtime.has(lock)

    def test_a_layer_that_stands_twice_loads(self, runtime, tmp_path):
        layer = tar_of({"a": os.urandom(3000)})
        double = make_image([layer, layer], architecture=HERE.architecture)
        lock = lock_of(double, reference(), HERE)
        runtime.load(lock, blobs_in(tmp_path / "blobs", double))
        assert runtime.has(lock)

    @pytest.mark.parametrize("docker", [False, True], ids=["oci", "docker"])
    def test_an_image_with_a_rebuilt_layer_is_the_image_and_only_that_layer_is_sent(self, runtime, rebuilt, identity, docker):
        (base, base_blob), (lock, blob, plain) = rebuilt(docker=docker)
        runtime.load(base, base_blob)
        runtime.load(lock, blob, plain)
        assert runtime.has(lock)
        assert identity(lock) in runtime.owned()
        status = runtime.inspect([lock])[lock.name]
        assert (status.state, status.ours, status.pinned) == ("complete", True, True)
        before = known(runtime, lock)
        runtime.load(lock, blob, plain)
        runtime.pin(lock)
        assert known(runtime, lock) == before
        runtime.remove(base)
        assert not runtime.has(base)
        assert runtime.has(lock), "the layers of the base that were not sent are those of this image by now"
        assert runtime.inspect([lock])[lock.name].state == "complete"
        runtime.load(base, base_blob)
        assert runtime.has(base)

    def test_an_image_with_a_rebuilt_layer_is_removed_and_comes_back_in_either_form(self, runtime, rebuilt, identity):
        (base, base_blob), (lock, blob, plain) = rebuilt()
        runtime.load(base, base_blob)
        runtime.load(lock, blob, plain)
        runtime.remove(lock)
        assert not runtime.has(lock)
        assert identity(lock) not in runtime.owned()
        assert runtime.inspect([lock])[lock.name].state == "absent"
        runtime.load(lock, blob, plain)
        assert runtime.has(lock)
        runtime.remove_owned(identity(lock))
        assert not runtime.has(lock)
        whole = plain | {lock.layers[0].digest: plain_layer(lock.layers[0], lock.diff_ids[0], 1)}
        assert local_root(lock, whole) != local_root(lock, plain)

    def test_a_local_name_stands_for_an_image_with_a_rebuilt_layer(self, runtime, rebuilt):
        (base, base_blob), (lock, blob, plain) = rebuilt()
        name = reference("helper")
        runtime.load(base, base_blob)
        runtime.load(lock, blob, plain)
        for image in (base, lock, lock):
            runtime.set_name(name, image)
            assert runtime.targets([name])[name] in identities(image)
        runtime.clear_name(name, base)
        assert name in runtime.targets([name])
        runtime.remove(lock)
        runtime.clear_name(name, lock)
        assert runtime.targets([name]) == {}

    def test_a_layer_that_goes_while_the_rest_is_sent_is_sent_then(self, runtime, staged, tmp_path):
        """Garbage collection between the question and the import: what was left out is sent in a second attempt."""
        layers = [tar_of({"shared": os.urandom(3000)}), tar_of({"own": os.urandom(3000)})]
        one, two = (make_image(some, architecture=HERE.architecture) for some in (layers[:1], layers))
        (base, base_blob), (lock, blob) = staged(one), staged(two)
        runtime.load(base, base_blob)
        asked = []

        def path(part):
            if part == lock.layers[1] and part not in asked:
                runtime.remove(base)
            asked.append(part)
            return blob(part)

        runtime.load(lock, path)
        assert runtime.has(lock)
        assert not runtime.has(base)
        assert (asked.count(lock.layers[0]), asked.count(lock.layers[1])) in {(0, 1), (1, 2)}
