"""What a bundle is created from, and what has become of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kelvin_provision.bundles.model import Contents
from kelvin_provision.desk.gathering import REGISTRY
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files import mounts
from kelvin_provision.refs import Platform
from kelvin_provision.spec.deltas import DeltaUse
from kelvin_provision.trust.documents.model import SignedDocument
from kelvin_provision.trust.requests import RequestFile
from kelvin_provision.usecases.bundles.creating import placing
from kelvin_provision.usecases.bundles.signing import Signer


@dataclass(frozen=True)
class CreateRequest:
    """`place` is a folder of the medium, or a file NAME.kpb in one. `source` is `registry`, `store` or the folder of an OCI image layout.

    Without `platforms`: that of this machine. Without a `name`: after the first request. Without a `part_size`: what the filesystem takes.
    `repair`: only what is wrong of the bundle that is there, which must be this one. `inventories` are files of the boxes that it is for:
    what all of them have is left out, and so is what the bundle at `since` has.
    """

    files: tuple[RequestFile, ...]
    place: Path
    platforms: tuple[Platform, ...] = ()
    name: str = ""
    serial: int | None = None
    boxes: tuple[str, ...] = ()
    part_size: int | None = None
    source: str = REGISTRY
    with_images: bool = True
    allow_latest: bool = False
    read_back: bool = True
    repair: bool = False
    signer: Signer | None = None
    inventories: tuple[Path, ...] = ()
    since: Path | None = None
    trust: tuple[SignedDocument, ...] = ()
    mounts: Path = mounts.TABLE
    deltas: bool = True
    """Layers come as deltas where that is smaller, for boxes with inventories."""


@dataclass(frozen=True)
class CreateResult:
    """`kept` bytes of the bundle were on the medium already."""

    digest: str
    contents: Contents
    paths: tuple[Path, ...]
    kept: int
    written: int
    signers: tuple[str, ...]
    read_back: bool
    warnings: tuple[str, ...] = ()

    @property
    def left_out(self) -> tuple[int, int]:
        """Layers that the boxes have, and their bytes."""
        return placing.left_out(self.contents)

    @property
    def deltas(self) -> DeltaUse:
        """What deltas do for it."""
        return placing.deltas_in(self.contents)

    def to_json(self) -> dict[str, Any]:
        contents = self.contents
        layers, size = self.left_out
        return {
            "digest": self.digest,
            "name": contents.name,
            "serial": contents.serial,
            "bytes": contents.total,
            "files": [{"path": str(path), "bytes": size} for path, size in zip(self.paths, contents.parts, strict=True)],
            "platforms": [str(platform) for platform in contents.platforms],
            "boxes": list(contents.boxes),
            "requests": [request.name for request in contents.requests],
            "images": [
                {"reference": str(image.reference), "platform": str(image.platform), "signatures": len(image.signatures)}
                for image in contents.images
            ],
            "left_out": {"layers": layers, "bytes": size},
            "deltas": self.deltas.to_json(),
            "kept": self.kept,
            "written": self.written,
            "signers": list(self.signers),
            "read_back": self.read_back,
        }
