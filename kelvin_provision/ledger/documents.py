"""What revisions ask for and what they are made of, as JSON: where secrets of requests are."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.rows import plain


class RevisionKey(NamedTuple):
    """While it is the same, so are the documents: objects are rendered once, and after an undeploy numbers begin again."""

    workload: str
    number: int
    created: str
    rendered: int


def keys(ledger: Ledger) -> tuple[RevisionKey, ...]:
    """Of all kept revisions that may have secrets."""
    with ledger.reading() as db:
        return tuple(RevisionKey(*row) for row in plain.not_plain(db, "workload, number, created, length(objects)"))


def documents(ledger: Ledger, key: RevisionKey) -> list[Any]:
    """The request, and the objects once they are rendered; nothing of a revision that is gone."""
    with ledger.reading() as db:
        row = db.execute("SELECT spec, objects FROM revisions WHERE workload = ? AND number = ?", (key.workload, key.number)).fetchone()
    return [json.loads(text) for text in row or () if text]
