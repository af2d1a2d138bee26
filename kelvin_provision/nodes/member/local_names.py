"""Local names on a member: set as the leader wants them, and cleared when it does not want them any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kelvin_provision.nodes.member import kept
from kelvin_provision.nodes.member.kept import Kept
from kelvin_provision.spec.identity import identities

if TYPE_CHECKING:
    from pathlib import Path

    from kelvin_provision.nodes.protocol import Wanted
    from kelvin_provision.runtimes.protocol import Runtime
    from kelvin_provision.spec.lock import ImageLock


def of(document: Wanted) -> dict[str, ImageLock]:
    """By name. An image that only the store is to have has none."""
    return {name: image.lock for image in document.images if image.pinned for name in image.local_names}


def remember(state_dir: Path, document: Wanted) -> bool:
    """Before the runtime is changed: what is wanted now, with names of earlier documents that still have to be cleared.

    Whether that is new.
    """
    before = kept.read(state_dir)
    after = Kept(document, {**before.names, **of(document)})
    if after != before:
        kept.write(state_dir, after)
    return after != before


def keep(document: Wanted, runtime: Runtime) -> None:
    """Set those that stand for something else or for nothing. One whose image is not here yet is set later."""
    names = of(document)
    targets = runtime.targets(list(names)) if names else {}
    for name, lock in names.items():
        if targets.get(name) not in identities(lock):
            runtime.set_name(name, lock)


def clear(state_dir: Path, document: Wanted, runtime: Runtime) -> None:
    """Those that stand for images of earlier documents, and then forget them. A name that stands for another image by now is let be."""
    before, names = kept.read(state_dir), of(document)
    obsolete = {name: lock for name, lock in before.names.items() if name not in names}
    for name, lock in obsolete.items():
        runtime.clear_name(name, lock)
    targets = runtime.targets(list(obsolete)) if obsolete else {}
    gone = {name for name, lock in obsolete.items() if targets.get(name) not in identities(lock)}
    if gone:
        kept.write(state_dir, Kept(before.document, {name: lock for name, lock in before.names.items() if name not in gone}))
