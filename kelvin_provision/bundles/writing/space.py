"""Whether the medium has room, before the first byte."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from kelvin_provision.bundles.model import Contents
from kelvin_provision.bundles.writing.output import Place, allocated
from kelvin_provision.errors import NoSpace
from kelvin_provision.files.durable import writing_to
from kelvin_provision.quantity import format_bytes, format_rounded

_MARGIN = 256 << 10
"""Bytes that a filesystem takes for itself when it gets a few large files."""


def refuse_without_space(contents: Contents, place: Place, paths: Sequence[Path]) -> None:
    """`paths` are the files that will be written. Raises NoSpace, with the numbers; CannotWrite where there is no such folder."""
    with writing_to(place.folder):
        stats = os.statvfs(place.folder)
    if not stats.f_blocks:
        return  # it does not tell its size
    block = stats.f_frsize
    needed = sum(-(-(size - allocated(path, size)) // block) * block for path, size in zip(paths, contents.parts, strict=True))
    free = stats.f_bavail * block
    if needed and needed + _MARGIN > free:
        replaced = sum(path.lstat().st_size for path in place.files())
        hint = f"remove what it replaces, which frees {format_bytes(replaced)}: {place.folder}/{place.name}.kpb*" if replaced else ""
        raise NoSpace(
            f"{place.folder} needs {format_rounded(needed + _MARGIN, up=True)} for this bundle and has {format_rounded(free)} free",
            hint=hint or "free some space there, or take a larger medium; several media can have a part each",
        )
