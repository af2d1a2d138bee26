"""Tables of contents of the known bundles: a few in memory, and of each the sizes of its blobs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from kelvin_provision.bundles.contents import decode
from kelvin_provision.bundles.model import Contents
from kelvin_provision.errors import BundleInvalid
from kelvin_provision.ledger.reading.bundles import ImportedBundle
from kelvin_provision.media import kept
from kelvin_provision.media.finding import Finder
from kelvin_provision.refs import Descriptor

_TABLES = 2
"""Tables of contents in memory; a large one takes tens of MiB."""


class Tables:
    """From this process, from the box, or from the medium. For one thread."""

    def __init__(self, state_dir: Path, finder: Finder) -> None:
        self._state_dir = state_dir
        self._finder = finder
        self._tables: dict[str, Contents] = {}
        self._sizes: dict[str, Mapping[str, int]] = {}

    def contents(self, known: ImportedBundle) -> Contents | None:
        """None where it is nowhere."""
        contents = self._tables.pop(known.digest, None) or kept.load(self._state_dir, known.digest) or self._read_again(known)
        if contents is None:
            return None
        if len(self._tables) >= _TABLES:
            self._tables.pop(next(iter(self._tables)))
        self._tables[known.digest] = contents  # the last one is the one that was asked for last
        return contents

    def having(self, blob: Descriptor, bundles: Sequence[ImportedBundle]) -> Iterator[ImportedBundle]:
        """Those of the bundles that have the blob. No table is decoded twice for this."""
        digests = {known.digest for known in bundles}
        self._sizes = {digest: sizes for digest, sizes in self._sizes.items() if digest in digests}
        yield from (known for known in bundles if self._sizes_of(known).get(blob.digest) == blob.size)

    def _sizes_of(self, known: ImportedBundle) -> Mapping[str, int]:
        if known.digest not in self._sizes:
            contents = self.contents(known)
            if contents is None:
                return {}
            self._sizes[known.digest] = {extent.digest: extent.size for extent in contents.blobs}
        return self._sizes[known.digest]

    def _read_again(self, known: ImportedBundle) -> Contents | None:
        """It was accepted under its digest, so what has this digest is accepted."""
        data = self._finder.head(known)
        if data is not None:
            with suppress(BundleInvalid):
                return decode(data)
        return None
