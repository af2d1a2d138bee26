"""Which filesystem a path is on, by the kernel's table of mounts."""

from __future__ import annotations

import re
from pathlib import Path

TABLE = Path("/proc/self/mountinfo")
_ESCAPED = re.compile(r"\\([0-7]{3})")
_FAT = {"vfat", "msdos", "fusefat"}


def filesystem_type(path: Path, table: Path = TABLE) -> str:
    """As the kernel calls it, such as `ext4`; of FUSE the name behind `fuse.`. Empty where it does not tell."""
    try:
        lines = table.read_text(errors="surrogateescape").splitlines()
        path = path.resolve()
    except OSError:
        return ""
    best, kind = -1, ""
    for line in lines:
        fields = line.split(" ")
        if len(fields) > 6 and "-" in fields[6:]:
            place = Path(_ESCAPED.sub(lambda match: chr(int(match[1], 8)), fields[4]))
            if path.is_relative_to(place) and len(place.parts) >= best:  # a later mount covers an earlier one
                best, kind = len(place.parts), fields[fields.index("-", 6) + 1]
    return kind.removeprefix("fuse.")


def is_fat(kind: str) -> bool:
    """Whether its files have less than 4 GiB."""
    return kind in _FAT
