"""The images of one version beside those of another: what they are, how large, and how much of it is there already. Pure."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from kelvin_provision.errors import ReferenceInvalid
from kelvin_provision.ledger.model import Revision
from kelvin_provision.refs import Reference
from kelvin_provision.spec.images import images_of
from kelvin_provision.spec.lock import ImageLock


@dataclass(frozen=True)
class Picture:
    """An image as the request says it. Digest and size (compressed, in bytes) are unknown where the cluster pulls it."""

    reference: str
    digest: str = ""
    size: int | None = None

    @property
    def repository(self) -> str:
        """Host and path, by which an image is recognised in another version."""
        try:
            return Reference.parse(self.reference).name
        except ReferenceInvalid:
            return self.reference


@dataclass(frozen=True)
class ImageChange:
    """One image of the old and of the new version; either may be missing. `shared` are bytes that the old version's images have, too."""

    old: Picture | None
    new: Picture | None
    shared: int | None = None

    @property
    def fresh(self) -> int | None:
        """Bytes that no image of the old version has."""
        return None if self.new is None or self.new.size is None else self.new.size - (self.shared or 0)

    @property
    def same(self) -> bool:
        """Whether it is the same image to the byte; without digests, by the name."""
        if self.old is None or self.new is None:
            return False
        if self.old.digest and self.new.digest:
            return self.old.digest == self.new.digest
        return self.old == self.new


def compare(old: Revision | None, new: Revision) -> tuple[ImageChange, ...]:
    """The new version's images in their order, each beside the old one of its repository; then the old ones that go."""
    before, after = (_pictures(old) if old else {}), _pictures(new)
    locks = {picture.reference: lock for picture, lock in after.items() if lock}
    known = {blob.digest for lock in before.values() if lock for blob in lock.blobs()}
    left, found = list(before), []
    for picture in after:
        match = next((one for one in left if one.repository == picture.repository), None)
        if match:
            left.remove(match)
        lock = locks.get(picture.reference)
        found.append(ImageChange(match, picture, _shared(lock, known) if lock else None))
    return (*found, *(ImageChange(one, None) for one in left))


def _pictures(revision: Revision) -> dict[Picture, ImageLock | None]:
    if revision.locks:
        return {Picture(str(lock.reference), lock.root.digest, lock.size): lock for lock in revision.locks}
    return {Picture(image): None for image in images_of(revision.spec)}


def _shared(lock: ImageLock, known: Container[str]) -> int:
    return sum(blob.size for blob in lock.blobs() if blob.digest in known)
