"""The images of two versions compared: digests, sizes, and how much of the new ones is shared. Pure."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from kelvin_provision.errors import ReferenceInvalid
from kelvin_provision.ledger.model.workloads import Revision
from kelvin_provision.refs import Reference
from kelvin_provision.spec.images import additional_images, images_of
from kelvin_provision.spec.lock import ImageLock


@dataclass(frozen=True)
class ImageInfo:
    """An image as in the request. Digest and size (compressed, in bytes) are unknown if the cluster pulls it.

    `additional`: it is in the `images` of the request, and no container is made from it directly.
    """

    reference: str
    digest: str = ""
    size: int | None = None
    additional: bool = False

    @property
    def repository(self) -> str:
        """Host and path, by which images of two versions are matched."""
        try:
            return Reference.parse(self.reference).name
        except ReferenceInvalid:
            return self.reference


@dataclass(frozen=True)
class ImageChange:
    """An image of the old and of the new version; either may be None. `shared_bytes` are in images of the old version, too."""

    old: ImageInfo | None
    new: ImageInfo | None
    shared_bytes: int | None = None

    @property
    def new_bytes(self) -> int | None:
        """Bytes that are in no image of the old version."""
        return None if self.new is None or self.new.size is None else self.new.size - (self.shared_bytes or 0)

    @property
    def additional(self) -> bool:
        return any(image is not None and image.additional for image in (self.old, self.new))

    @property
    def same(self) -> bool:
        """Compared by digest, otherwise by name."""
        if self.old is None or self.new is None:
            return False
        if self.old.digest and self.new.digest:
            return self.old.digest == self.new.digest
        return self.old == self.new


def compare(old: Revision | None, new: Revision) -> tuple[ImageChange, ...]:
    """The images of the new version, each with the old one of the same repository; then the removed ones."""
    before, after = (_images(old) if old else {}), _images(new)
    locks = {image.reference: lock for image, lock in after.items() if lock}
    old_blobs = {blob.digest for lock in before.values() if lock for blob in lock.blobs()}
    unmatched, changes = list(before), []
    for image in after:
        match = next((other for other in unmatched if other.repository == image.repository), None)
        if match:
            unmatched.remove(match)
        lock = locks.get(image.reference)
        changes.append(ImageChange(match, image, _shared(lock, old_blobs) if lock else None))
    return (*changes, *(ImageChange(image, None) for image in unmatched))


def _images(revision: Revision) -> dict[ImageInfo, ImageLock | None]:
    if revision.locks:
        additional = additional_images(revision.spec)
        return {
            ImageInfo(reference, lock.root.digest, lock.size, reference in additional): lock
            for lock in revision.locks
            for reference in (str(lock.reference),)
        }
    return {ImageInfo(image): None for image in images_of(revision.spec)}


def _shared(lock: ImageLock, old_blobs: Container[str]) -> int:
    return sum(blob.size for blob in lock.blobs() if blob.digest in old_blobs)
