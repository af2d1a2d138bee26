"""What a box says of a bundle that it has imported, for the desk: left beside the bundle, where the medium can be written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kelvin_provision.bundles.inventories.inventory import safe_name

SCHEMA = 1
MEDIA_TYPE = "application/vnd.kelvin-provision.receipt.v1+json"


@dataclass(frozen=True)
class Receipt:
    """`accepted` has workload, revision and version of each; `images` were kept without a request. `time` is for people only."""

    box: str
    name: str
    serial: int
    digest: str
    accepted: tuple[tuple[str, int, str], ...]
    images: tuple[str, ...]
    time: str

    @property
    def file_name(self) -> str:
        return f"{safe_name(self.name)}.{safe_name(self.box)}.receipt.json"

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "kind": MEDIA_TYPE,
            "box": self.box,
            "bundle": {"name": self.name, "serial": self.serial, "digest": self.digest},
            "accepted": [{"workload": name, "revision": number, "version": version} for name, number, version in self.accepted],
            "images": list(self.images),
            "time": self.time,
        }
