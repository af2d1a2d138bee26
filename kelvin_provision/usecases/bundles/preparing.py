"""Prepare a package for the API, in a job of the agent: see `prepared`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from kelvin_provision.bundles.model import Extent
from kelvin_provision.bundles.zips import layout
from kelvin_provision.bundles.zips.making import Package, make, work
from kelvin_provision.context import Context
from kelvin_provision.files.hashing import digest_of
from kelvin_provision.usecases.bundles import prepared
from kelvin_provision.usecases.bundles.packable import PackageRequest
from kelvin_provision.usecases.bundles.packaging import Packed, packed


def prepare(ctx: Context, request: PackageRequest, report: Callable[[int, int], None]) -> dict[str, Any]:
    """`report` gets the bytes that are done and those in all. Raises what `packed` raises, and what writing raises."""
    with packed(ctx, request) as value:
        total = work(value.contents)
        package = make(value.contents, value.content, lambda done: report(done, total))
        path = prepared.path_of(ctx.settings.state_dir, request.name, value.revision.number)
        digest = digest_of(package.table)
        prepared.save(path, f"{value.contents.name}.zip", digest, _parts(package, value))
        return value.to_json() | {"digest": digest}


def _parts(package: Package, value: Packed) -> Iterator[bytes | tuple[str, int]]:
    stored = {blob.digest for blob in package.contents.blobs}
    yield package.head
    for piece in layout.pieces(package.contents, package.checksums):
        if isinstance(piece, bytes):
            yield piece
        elif piece.digest in stored:
            yield piece.digest, piece.size
        else:
            yield _read(value, piece)
    yield package.tail


def _read(value: Packed, extent: Extent) -> bytes:
    """A document that is made for the package."""
    with value.content(extent) as file:
        return file.read()
