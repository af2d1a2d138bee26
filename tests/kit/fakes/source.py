"""A registry in memory. It keeps the promises of `registry.protocol`; what it serves is counted, and it can be cut off.

What is no image is in `tags`, by reference, and `artifacts`, manifests and blobs by digest.
"""

from contextlib import contextmanager

from kelvin_provision.errors import ImageNotFound, PlatformMissing, ProvisionError, RegistryUnreachable
from kelvin_provision.refs import Platform, Reference
from kelvin_provision.registry.protocol import DeltaOffers, Resolved, SignatureDocuments, Stream
from tests.kit.images import Image, index_of, sha256
from tests.kit.locks import lock_of


class FakeSource:
    """`images` by reference; `indexes`: those of several platforms, by platform. `down` is raised by every verb.

    A blob breaks off after `cut` bytes, `cuts` times. `resolved` are the references and platforms that were asked for.
    """

    def __init__(self) -> None:
        self.images: dict[str, Image] = {}
        self.indexes: dict[str, dict[str, Image]] = {}
        self.resolved: list[tuple[str, str]] = []
        self.served: list[tuple[str, int, int]] = []
        self.down: ProvisionError | None = None
        self.cut = 0
        self.cuts = 0
        self.signed: dict[str, SignatureDocuments] = {}
        self.wrong: set[str] = set()
        self.deltas_of: dict[str, DeltaOffers] = {}
        self.asked_for_deltas: list[str] = []
        self.trouble_with_deltas: ProvisionError | None = None
        self.ignores_ranges = False
        self.chunk = 1000
        self.tags: dict[str, str] = {}
        self.artifacts: dict[str, bytes] = {}

    def resolve(self, reference, platform, support=None):
        if self.down:
            raise self.down
        self.resolved.append((str(reference), str(platform)))
        if (images := self._index(reference)) is not None:
            return self._of_index(reference, platform, images)
        image = self._found(reference, reference.digest) if reference.digest or str(reference) in self.images else None
        if image is None:
            raise ImageNotFound(f"{reference}: not found")
        lock = lock_of(image, str(reference), platform)
        return Resolved(lock, {lock.manifest.digest: image.manifest, lock.config.digest: image.blobs[lock.config.digest]})

    @contextmanager
    def blob(self, reference, blob, offset):
        if self.down:
            raise self.down
        if blob.digest in self.artifacts:
            yield Stream(0, self._chunks(blob.digest, self.artifacts[blob.digest], 0))
            return
        image = self._found(reference, blob.digest)
        if image is None:
            raise ImageNotFound(f"{reference}: no blob {blob.digest}")
        data = image.manifest if blob.digest == image.digest else image.blobs[blob.digest]
        if blob.digest in self.wrong:
            data = bytes(len(data))
        start = 0 if self.ignores_ranges else offset
        yield Stream(start, self._chunks(blob.digest, data, start))

    def deltas(self, reference, image):
        self.asked_for_deltas.append(str(reference))
        if self.down or self.trouble_with_deltas:
            raise self.down or self.trouble_with_deltas
        return self.deltas_of.get(image.digest, DeltaOffers())

    def signatures(self, reference, digest):
        if self.down:
            raise self.down
        return self.signed.get(digest, SignatureDocuments())

    def digest(self, reference, known=""):
        if self.down:
            raise self.down
        if str(reference) not in self.tags:
            raise ImageNotFound(f"{reference}: not found")
        return self.tags[str(reference)]

    def manifest(self, reference):
        if self.down:
            raise self.down
        return self.artifacts[reference.digest]

    def _found(self, reference, digest):
        """The image under this name, unless it is not, and does not have, this; else one of the same repository that does."""
        named = [self.images[str(reference)]] if str(reference) in self.images else []
        others = [image for name, image in self.images.items() if Reference.parse(name).name == reference.name]
        others += [image for each in self.indexes.values() for image in each.values()]
        return next((image for image in [*named, *others] if digest in (None, image.digest) or digest in image.blobs), None)

    def _index(self, reference):
        by_digest = {sha256(index_of(images)): images for images in self.indexes.values()}
        return by_digest.get(reference.digest) if reference.digest else self.indexes.get(str(reference))

    def _of_index(self, reference, platform, images):
        fitting = [text for text in images if platform.accepts(Platform.parse(text))]
        if not fitting:
            raise PlatformMissing(f"{reference}: no image for platform {platform}")
        image, index = images[fitting[0]], index_of(images)
        lock = lock_of(image, str(reference), Platform.parse(fitting[0]), index=index)
        documents = {lock.manifest.digest: image.manifest, lock.config.digest: image.blobs[lock.config.digest]}
        return Resolved(lock, documents | {lock.index.digest: index})

    def greet(self, host):
        if self.down:
            raise self.down

    def close(self):
        pass

    def _chunks(self, digest, data, start):
        for at in range(start, len(data), self.chunk):
            if self.cuts and at - start >= self.cut:
                self.cuts -= 1
                self.served.append((digest, start, at))
                raise RegistryUnreachable("cut off")
            if self.down:
                raise self.down
            yield data[at : at + self.chunk]
        self.served.append((digest, start, len(data)))
