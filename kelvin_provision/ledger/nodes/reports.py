"""What a member said, and since when it is silent. Nothing is written that is known already."""

from __future__ import annotations

import json
from collections.abc import Sequence

from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.nodes.model import Node, NodeImage
from kelvin_provision.ledger.nodes.reading import node, node_images

STEP = 16 << 20
"""Bytes by which an image grows before that is written: flash wears out."""
_STEADY = 256 << 20
"""Bytes of free space that make no difference to who reads the ledger."""


@dataclass(frozen=True)
class Said:
    """What a member says of itself. `images` are all that it has, or is to have; their `since` counts where the state is new.

    Which node of the cluster it is was settled with its token: else one could say that it is another one, and get what is for that.
    """

    address: str
    platform: str
    version: str
    free: int | None
    problems: tuple[str, ...]
    images: tuple[NodeImage, ...]


def record(ledger: Ledger, name: str, report: Said) -> bool:
    """Keep what is new of it. False if there is no such member any more."""
    known = node(ledger, name)
    if known is None:
        return False
    now = ledger.clock()
    before = {image.image: image for image in node_images(ledger, node=name)}
    after = {image.image: image for image in report.images}
    changed = [image for image in after.values() if _differs(before.get(image.image), image)]
    gone = [image for image in before if image not in after]
    other = known.away is not None or _of_itself(known) != _of_report(report) or _moved(known.free, report.free)
    if not (changed or gone or other):
        return True
    with ledger.writing() as db:
        values = (*_of_report(report)[:3], report.free, json.dumps(report.problems), now, name)
        done = db.execute(
            "UPDATE nodes SET address = ?, platform = ?, version = ?, free = ?, problems = ?, seen = ?, away = NULL WHERE name = ?",
            values,
        )
        if not done.rowcount:
            return False
        db.executemany("DELETE FROM node_images WHERE node = ? AND image = ?", [(name, image) for image in gone])
        db.executemany(
            "INSERT OR REPLACE INTO node_images (node, image, state, why, since, bytes) VALUES (?, ?, ?, ?, ?, ?)",
            [_row(name, before.get(image.image), image, now) for image in changed],
        )
    return True


def silent(ledger: Ledger, names: Sequence[str], since: str) -> None:
    """These members have not been heard since then. One that is known to be away keeps its time."""
    with ledger.writing() as db:
        db.executemany("UPDATE nodes SET away = ?, seen = ? WHERE name = ? AND away IS NULL", [(since, since, name) for name in names])


def _of_itself(known: Node) -> tuple[object, ...]:
    return known.address, str(known.platform), known.version, known.problems


def _of_report(report: Said) -> tuple[object, ...]:
    return report.address, report.platform, report.version, report.problems


def _moved(before: int | None, after: int | None) -> bool:
    if before is None or after is None:
        return before is not after
    return abs(before - after) >= _STEADY


def _differs(before: NodeImage | None, after: NodeImage) -> bool:
    return before is None or (before.state, before.why) != (after.state, after.why) or abs(after.bytes - before.bytes) >= STEP


def _row(name: str, before: NodeImage | None, image: NodeImage, now: str) -> tuple[object, ...]:
    since = before.since if before and (before.state, before.why) == (image.state, image.why) else now
    return name, image.image, image.state, image.why, since, image.bytes
