"""The layout's index.json on disk: read, changed as a value by `store.index`, written durably. Called under the store's lock."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kelvin_provision.files.durable import read_chunks, write_durably
from kelvin_provision.store import index


class Names:
    """`put_aside` takes a file that nobody can read any more out of the way."""

    def __init__(self, path: Path, put_aside: Callable[[Path], object]) -> None:
        self._path = path
        self._put_aside = put_aside

    def change(self, to: Callable[[list[index.Entry]], list[index.Entry]]) -> None:
        """What is the same afterwards is not written."""
        entries = self._entries()
        wanted = to(entries)
        if sorted(map(str, wanted)) != sorted(map(str, entries)):
            write_durably(self._path, [index.encode(wanted)])

    def _entries(self) -> list[index.Entry]:
        try:
            return index.parse(b"".join(read_chunks(self._path)))
        except ValueError:
            # Only a damaged disk gets us here. The names are a convenience for other tools: begin anew, keep the wrong one.
            self._put_aside(self._path)
            return []
