"""An upload as a value."""

from __future__ import annotations

from typing import Any

from kelvin_provision.fast_dataclass import dataclass


@dataclass(frozen=True)
class Announced:
    """What a client says of a file before its first byte. `mark` is its own note, by which it knows the file again."""

    name: str
    size: int
    sha256: str = ""
    mark: str = ""


@dataclass(frozen=True)
class Upload:
    """`offset` bytes are here and durable. `by` is the user who began it; `created` by the clock of the box, which may be wrong."""

    id: str
    announced: Announced
    created: str
    by: str
    offset: int = 0

    @property
    def complete(self) -> bool:
        return self.offset == self.announced.size

    def to_json(self) -> dict[str, Any]:
        announced = self.announced
        return {
            "id": self.id,
            "name": announced.name,
            "size": announced.size,
            "sha256": announced.sha256 or None,
            "mark": announced.mark or None,
            "offset": self.offset,
            "complete": self.complete,
            "created": self.created,
            "by": self.by,
        }
