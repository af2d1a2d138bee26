"""On which nodes of the cluster the images of each revision are needed. The rows go with their revision."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping

from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model.workloads import Revision
from kelvin_provision.ledger.nodes.model import PlaceRow
from kelvin_provision.ledger.rows.common import distinct_locks, sound
from kelvin_provision.ledger.rows.damage import Row
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.wait_reason import WaitKind


def record(ledger: Ledger, revision: Revision, places: Iterable[PlaceRow]) -> bool:
    """Keep the places of a revision. False where nothing is new, or the revision is gone: then nothing is written."""
    after = frozenset(places)
    if of_revision(ledger, revision) == after:
        return False
    key = (revision.workload, revision.number)
    with ledger.writing() as db:
        if db.execute("SELECT 1 FROM revisions WHERE workload = ? AND number = ?", key).fetchone() is None:
            return False
        db.execute("DELETE FROM places WHERE workload = ? AND revision = ?", key)
        rows = [
            (*key, place.node, place.image, place.mark) for place in sorted(after, key=lambda place: (place.node, place.image, place.mark))
        ]
        db.executemany("INSERT INTO places (workload, revision, node, image, mark) VALUES (?, ?, ?, ?, ?)", rows)
    return True


def of_revision(ledger: Ledger, revision: Revision) -> frozenset[PlaceRow]:
    """Those that can be read."""
    with ledger.reading() as db:
        query = "SELECT * FROM places WHERE workload = ? AND revision = ?"
        return frozenset(sound(place_of, db.execute(query, (revision.workload, revision.number))))


def images_of(ledger: Ledger, node: str) -> frozenset[str]:
    """`ImageLock.name` of each image that a node of the cluster needs."""
    with ledger.reading() as db:
        return frozenset(str(row[0]) for row in db.execute("SELECT DISTINCT image FROM places WHERE node = ?", (node,)))


def needed_images(ledger: Ledger) -> frozenset[tuple[str, str]]:
    """Nodes of the cluster, each with the name of an image that it needs."""
    with ledger.reading() as db:
        return frozenset((str(node), str(image)) for node, image in db.execute("SELECT DISTINCT node, image FROM places"))


def whole_images(ledger: Ledger) -> tuple[ImageLock, ...]:
    """Those of versions that are whole on this box, as far as they can be read; other nodes may lack them."""
    query = (
        "SELECT workload, number, locks FROM revisions WHERE locks IS NOT NULL AND"
        " (download = 'ready' OR (json_valid(waiting) AND json_extract(waiting, '$.kind') = :nodes))"
    )
    with ledger.reading() as db:
        return distinct_locks(db, query, {"nodes": WaitKind.NODES.value}, sound_only=True)


def marked_images(ledger: Ledger) -> Mapping[str, Mapping[str, frozenset[str]]]:
    """By node, for each mark the images of which a node must have all to get it."""
    result: dict[str, dict[str, frozenset[str]]] = {}
    with ledger.reading() as db:
        for node, mark, image in db.execute("SELECT DISTINCT node, mark, image FROM places WHERE mark <> ''"):
            marks = result.setdefault(str(node), {})
            marks[str(mark)] = marks.get(str(mark), frozenset()) | {str(image)}
    return result


def place_of(row: sqlite3.Row) -> PlaceRow:
    """A row of `places`. Raises StateDamaged."""
    cells = Row(row, "places", "workload", "revision")
    return PlaceRow(cells.text("node"), cells.text("image"), cells.text("mark"))
