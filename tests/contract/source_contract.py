"""What every source of images promises: registries, and bundles on media. One suite for all of them."""

import pytest

from kelvin_provision.errors import ImageNotFound, PlatformMissing, ProvisionError
from kelvin_provision.refs import Descriptor, Platform, Reference
from tests.kit.images import index_of, make_image, random_image, sha256, tar_of
from tests.kit.locks import AMD64, lock_of

REPOSITORY = "contract/app"
IMAGE = random_image([4000, 3 << 20])
ARM = make_image([tar_of({"a": b"arm"})], architecture="arm64")
BOTH = {"linux/amd64": IMAGE, "linux/arm64": ARM}


class SourceContract:
    """`host` has `IMAGE` as `REPOSITORY:one`, and `BOTH` as `REPOSITORY:both`."""

    @pytest.fixture
    def reference(self, host):
        return Reference.parse(f"{host}/{REPOSITORY}:one")

    @pytest.fixture
    def layer(self, reference):
        return lock_of(IMAGE, str(reference)).layers[1]

    @pytest.mark.parametrize("pinned", [False, True])
    def test_an_image_is_locked_with_the_documents_that_it_was_locked_by(self, source, reference, pinned):
        text = f"{reference}@{IMAGE.digest}" if pinned else str(reference)
        resolved = source.resolve(Reference.parse(text), AMD64)
        assert resolved.lock == lock_of(IMAGE, text)
        assert {digest: sha256(data) for digest, data in resolved.documents.items()} == {
            digest: digest for digest in (IMAGE.digest, resolved.lock.config.digest)
        }

    def test_of_an_index_the_image_for_the_platform_is_taken(self, source, host):
        reference = Reference.parse(f"{host}/{REPOSITORY}:both")
        for platform, image in (("amd64", IMAGE), ("arm64", ARM)):
            lock = source.resolve(reference, Platform("linux", platform)).lock
            assert (lock.manifest.digest, lock.index.digest, lock.root) == (image.digest, sha256(index_of(BOTH)), lock.manifest)
        with pytest.raises(PlatformMissing):
            source.resolve(reference, Platform("linux", "s390x"))

    @pytest.mark.parametrize("part", [0, 0.5, 1])
    def test_a_blob_is_read_from_the_offset_on(self, source, reference, layer, part):
        offset = min(int(layer.size * part), layer.size - 1)
        with source.blob(reference, layer, offset) as stream:
            assert stream.start == offset
            assert b"".join(stream.chunks) == IMAGE.blobs[layer.digest][offset:]

    def test_a_blob_may_be_left_after_its_first_bytes(self, source, reference, layer):
        for _ in range(3):
            with source.blob(reference, layer, 0) as stream:
                assert IMAGE.blobs[layer.digest].startswith(next(iter(stream.chunks)))

    def test_what_it_does_not_have_is_an_error_of_ours(self, source, host, reference):
        for text in (f"{host}/{REPOSITORY}:two", f"{host}/contract/other:one"):
            with pytest.raises(ImageNotFound):
                source.resolve(Reference.parse(text), AMD64)
        unknown = Descriptor("application/octet-stream", sha256(b"unknown"), 7)
        with pytest.raises(ProvisionError), source.blob(reference, unknown, 0) as stream:
            b"".join(stream.chunks)
