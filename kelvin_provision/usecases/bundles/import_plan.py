"""An import as values: what is asked for, and what it would bring to this box."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kelvin_provision.bundles.acceptance import Accepted
from kelvin_provision.bundles.head import Head
from kelvin_provision.bundles.inspection import BundlePlace
from kelvin_provision.bundles.model import Contents
from kelvin_provision.bundles.parts import BundleFiles
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.usecases.bundles.bundled import Requests
from kelvin_provision.usecases.bundles.trust.serials import Older


@dataclass(frozen=True)
class ImportRequest(BundlePlace):
    """Which bundle, and what of it. `allow_older`: also one that is older than the newest of its signer."""

    images_only: bool = False
    allow_latest: bool = False
    allow_older: bool = False


@dataclass(frozen=True)
class PlannedWorkload:
    """A request of the bundle. `running` and `staged` are the versions on the box; `elsewhere` are images that the bundle does not have."""

    name: str
    app_name: str
    version: str
    method: Method
    running: str | None
    staged: str | None
    images: tuple[str, ...]
    elsewhere: tuple[str, ...]


@dataclass(frozen=True)
class PlannedImage:
    """`new` bytes are not in the store."""

    reference: str
    size: int
    new: int


@dataclass(frozen=True)
class ImportPlan:
    """What `importing.carry_out` would do. `head` is None for further parts of a bundle that was imported before.

    With `older` it is refused, unless the request allows that.
    """

    request: ImportRequest
    files: BundleFiles
    accepted: Accepted
    head: Head | None
    workloads: tuple[PlannedWorkload, ...] = ()
    images: tuple[PlannedImage, ...] = ()
    new_bytes: int = 0
    missing: tuple[int, ...] = ()
    requests: Requests = field(default_factory=Requests)
    locks: dict[str, tuple[ImageLock, ...]] = field(default_factory=dict)
    kept: tuple[ImageLock, ...] = ()
    older: Older | None = None
    warnings: tuple[str, ...] = ()

    def refuse_older(self) -> None:
        """Raises BundleOlder."""
        if self.older and not self.request.allow_older:
            raise self.older.error

    @property
    def contents(self) -> Contents:
        return self.accepted.contents

    @property
    def digest(self) -> str:
        return self.accepted.digest

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.contents.name,
            "serial": self.contents.serial,
            "digest": self.digest,
            "signatures": self.accepted.to_json(),
            "trust": self.accepted.trust_json(),
            "boxes": list(self.contents.boxes),
            "files": [str(path) for path in self.files.paths.values()],
            "missing": list(self.missing),
            "workloads": [
                {
                    "name": workload.name,
                    "app_name": workload.app_name,
                    "app_version": workload.version,
                    "method": workload.method.value,
                    "running": workload.running,
                    "staged": workload.staged,
                    "images": list(workload.images),
                    "elsewhere": list(workload.elsewhere),
                }
                for workload in self.workloads
            ],
            "images": [{"reference": image.reference, "size": image.size, "new": image.new} for image in self.images],
            "new_bytes": self.new_bytes,
            "older": self.older and {"name": self.older.newest, "serial": self.older.newest_serial},
            "warnings": list(self.warnings),
        }
