"""Where a bundle is written, how it is cut there, and whether it fits."""

from __future__ import annotations

from pathlib import Path

from kelvin_provision.bundles import limits
from kelvin_provision.bundles.contents import NAME, decode
from kelvin_provision.bundles.model import AS_DELTA, IN_BOX, Contents
from kelvin_provision.bundles.opening import candidates, read_head
from kelvin_provision.bundles.writing import space
from kelvin_provision.bundles.writing.output import Place
from kelvin_provision.bundles.writing.writer import head_there
from kelvin_provision.errors import BundleDiffers, BundleMissing, CannotWrite, ProvisionError, UsageRefused
from kelvin_provision.files import mounts
from kelvin_provision.quantity import format_bytes
from kelvin_provision.spec.deltas import DeltaUse


def place_of(path: Path, name: str) -> Place:
    """A folder, where the file is called after the bundle, or the file. Raises CannotWrite, UsageRefused for a name that cannot be one."""
    if path.is_dir():
        return Place(path, _valid(name))
    if path.suffix == ".kpb" and path.parent.is_dir():
        _valid(name)
        return Place(path.parent, _valid(path.stem))
    raise CannotWrite(f"{path} is not a folder", hint="name a folder of the medium, or a file NAME.kpb in one")


def _valid(name: str) -> str:
    if not NAME.fullmatch(name):
        raise UsageRefused(f"{name!r} cannot be the name of a bundle", hint="use letters, digits, dots, hyphens and underscores")
    return name


def bundle_there(place: Place) -> Contents:
    """The table of contents of the bundle with this name, for its repair. Raises BundleMissing, BundleDiffers."""
    for files in candidates(place.folder):
        if files.name == place.name:
            try:
                return decode(read_head(files).contents)
            except ProvisionError as error:
                hint = "create it without --repair: what is right of it is not known"
                raise BundleDiffers(f"{place.folder}/{place.name}.kpb cannot be repaired: {error}", hint=hint) from error
    raise BundleMissing(f"{place.folder} has no bundle {place.name}")


def part_size_of(size: int | None, folder: Path, table: Path = mounts.TABLE) -> int:
    """Whole chunks, so that each has its bytes in one file; 0 for one file. Without a size: what the filesystem takes."""
    if size is None:
        return limits.FAT_PART if mounts.is_fat(mounts.filesystem_type(folder, table)) else 0
    if 0 < size < limits.CHUNK:
        raise UsageRefused(f"parts of {size} bytes are too small", hint="--part-size 4MiB or more; 0 for one file")
    return size // limits.CHUNK * limits.CHUNK


def refuse_without_space(contents: Contents, place: Place) -> None:
    """Before anything is downloaded. Another bundle of the name stays until this one is there; the writer checks again."""
    count = len(contents.parts)
    finals = [place.final(number, count) for number in range(1, count + 1)]
    replaces = finals[0].exists() and head_there(finals, contents) is None
    paths = [place.unfinished(number, count) if replaces or not final.exists() else final for number, final in enumerate(finals, 1)]
    space.refuse_without_space(contents, place, paths)


def described(contents: Contents, place: Place) -> str:
    """For people, before the first byte."""
    count = len({image.reference for image in contents.images})
    images = f"{count} image{'' if count == 1 else 's'}"
    parts = f" in {len(contents.parts)} parts" if len(contents.parts) > 1 else ""
    layers, size = left_out(contents)
    without = f", without {format_bytes(size)} that the box has" if layers else ""
    deltas = f", {use.text}" if (use := deltas_in(contents)) else ""
    size_text = f"{format_bytes(contents.total)} ({contents.total} bytes)"
    return f"bundle {contents.name}: {images}, {size_text}{parts} to {place.folder}{without}{deltas}"


def left_out(contents: Contents) -> tuple[int, int]:
    """Layers that the boxes have already, and their bytes."""
    sizes = {layer.digest: layer.size for image in contents.images for layer in image.layers if layer.source == IN_BOX}
    return len(sizes), sum(sizes.values())


def deltas_in(contents: Contents) -> DeltaUse:
    """What deltas do for it."""
    layers = {layer.digest: layer.size for image in contents.images for layer in image.layers if layer.source == AS_DELTA}
    deltas = {delta.digest for delta in contents.deltas}
    return DeltaUse(sum(contents.by_digest[digest].size for digest in deltas), sum(layers.values()), len(layers))
