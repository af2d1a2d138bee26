"""What a member remembers across restarts: what its leader wanted last, and under which local names images were put into the runtime.

One file, written whole. A name is in it before the runtime is changed, and leaves it after it was seen to be gone, so that no crash
forgets one. What else is ours in the runtime carries our pin there, and needs no record here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from kelvin_provision.errors import NodeProtocolInvalid, ReferenceInvalid
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.durable import private_folder, read_own, write_durably
from kelvin_provision.nodes.checked import encoded
from kelvin_provision.nodes.protocol import Wanted
from kelvin_provision.spec.lock import ImageLock

FILE = "member.json"
SCHEMA = 1


@dataclass(frozen=True)
class Kept:
    """`document` is None before the first answer of a leader: then nothing is known to be unneeded. `names`: local name to image."""

    document: Wanted | None = None
    names: Mapping[str, ImageLock] = field(default_factory=lambda: MappingProxyType({}))


def read(state_dir: Path) -> Kept:
    """A damaged file is as none: the leader says again what it wants, and nothing is removed before."""
    try:
        document = json.loads(read_own(state_dir / FILE))
        if document["schema"] != SCHEMA:
            return Kept()
        names = {str(name): ImageLock.from_json(lock) for name, lock in document["names"].items()}
        return Kept(_wanted(document["wanted"]), names)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, ReferenceInvalid, NodeProtocolInvalid):
        return Kept()


def write(state_dir: Path, kept: Kept) -> None:
    """Durable when it returns. Raises NoSpace, CannotWrite, PermissionRefused."""
    document = {
        "schema": SCHEMA,
        "wanted": kept.document.to_json() if kept.document else None,
        "names": {name: lock.to_json() for name, lock in kept.names.items()},
    }
    write_durably(private_folder(state_dir) / FILE, [encoded(document)])


def _wanted(document: Any) -> Wanted | None:
    return None if document is None else Wanted.from_json(encoded(document))
