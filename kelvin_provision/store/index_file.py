"""The layout's index.json on disk: read, changed as a value by `store.index`, written durably. The caller holds the store's lock."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kelvin_provision.files.durable import read_chunks, write_durably
from kelvin_provision.store import index
from kelvin_provision.store.quarantine import Quarantine


class IndexFile:
    def __init__(self, path: Path, quarantine: Quarantine) -> None:
        self._path = path
        self._quarantine = quarantine

    def update(self, change: Callable[[list[index.Entry]], list[index.Entry]]) -> None:
        """Writes nothing when the change makes no difference."""
        entries = self._read()
        changed = change(entries)
        if sorted(map(str, changed)) != sorted(map(str, entries)):
            write_durably(self._path, [index.encode(changed)])

    def _read(self) -> list[index.Entry]:
        try:
            return index.parse(b"".join(read_chunks(self._path)))
        except ValueError:
            # Only a damaged disk leads here. The names are a convenience for other tools: start an empty index, keep the damaged one.
            self._quarantine.add(self._path, self._path.name)
            return []
