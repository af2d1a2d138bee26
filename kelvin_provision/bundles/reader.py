"""An open bundle: its blobs and requests by digest. Nothing is read as a tar: offsets of the table of contents lead to every byte."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

from kelvin_provision.bundles.model import FOREIGN, Contents, Extent
from kelvin_provision.bundles.parts import BundleFiles, Parts
from kelvin_provision.bundles.zips.foreign import derived
from kelvin_provision.bundles.zips.unpacked import Unpacked
from kelvin_provision.errors import BundleDamaged, DigestMismatch
from kelvin_provision.files.hashing import verified


class Bundle:
    """`digest` identifies the bundle: it is that of its table of contents. Threads may read side by side.

    Close it when the reading pauses: an open file prevents that the medium is unmounted.
    """

    def __init__(self, files: BundleFiles, digest: str, contents: Contents) -> None:
        self.digest = digest
        self.contents = contents
        self.parts: Parts | Unpacked = Unpacked(files, derived) if contents.form == FOREIGN else Parts(files, contents.parts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.parts.close()

    @property
    def files(self) -> BundleFiles:
        return self.parts.files

    @property
    def missing(self) -> tuple[int, ...]:
        """The numbers of the parts that are not here."""
        return self.parts.missing

    def parts_of(self, digest: str, offset: int = 0) -> tuple[int, ...]:
        """The numbers of the files that have the blob from the offset on. Raises KeyError for a blob that is not in the bundle."""
        extent = self.contents.by_digest[digest]
        first = extent.offset + min(offset, max(extent.size - 1, 0))
        return tuple(number for number, _, _ in self.parts.pieces(first, max(extent.end - first, 1)))

    def read(self, offset: int, size: int) -> Iterator[bytes]:
        """Raises MediumGone, which names the file or part; BundleDamaged for a file of another size."""
        return self.parts.read(offset, size)

    def blob(self, digest: str, offset: int = 0) -> Iterator[bytes]:
        """The bytes of a blob from the offset on, not verified. Raises KeyError for a blob that is not in the bundle."""
        extent = self.contents.by_digest[digest]
        return self.read(extent.offset + offset, extent.size - offset)

    def document(self, digest: str) -> bytes:
        """A manifest, config or index, verified. Raises BundleDamaged."""
        return self.content(self.contents.by_digest[digest])

    def content(self, extent: Extent) -> bytes:
        """A short member, such as a request, verified and whole in memory; the limits hold for its size. Raises BundleDamaged."""
        try:
            return b"".join(verified(self.read(extent.offset, extent.size), extent.digest, extent.size))
        except DigestMismatch as error:
            number, start = self.contents.part_of(extent.offset)
            where = f"part {number}, byte {start}" if len(self.contents.parts) > 1 else f"byte {start}"
            raise BundleDamaged(f"the bundle {self.files.name} is damaged at {where}: the content is not {extent.digest}") from error
