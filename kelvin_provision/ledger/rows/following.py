"""Publications that this box follows, and the workloads that they brought. A row that cannot be read is named by `doctor`."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

from kelvin_provision.errors import StateDamaged
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.ledger.rows.common import LISTED, listed
from kelvin_provision.ledger.rows.damage import Row, strings

T = TypeVar("T")


@dataclass(frozen=True)
class Trouble:
    """What keeps this box from what is published, since when. `text` is masked."""

    since: str
    code: str
    text: str
    hint: str = ""


@dataclass(frozen=True)
class Followed:
    """A publication as it was taken in last, by the digests of its manifest and of the signed document; empty before the first one."""

    reference: str
    digest: str = ""
    serial: int = 0
    signers: tuple[str, ...] = ()
    created: str = ""
    taken: str | None = None
    trouble: Trouble | None = None
    document: str = ""


@dataclass(frozen=True)
class FollowedWorkload:
    """A workload of a publication. `digest` is that of the request that was meant for this box last, since the publication `serial`.

    `withdrawn` is the serial of the publication that withdrew it.
    """

    workload: str
    reference: str
    digest: str
    serial: int
    withdrawn: int | None = None


def publications(db: sqlite3.Connection) -> dict[str, Followed]:
    """By reference."""
    return {each.reference: each for each in _sound(db.execute("SELECT * FROM following ORDER BY reference"), publication_of)}


def _sound(rows: Iterable[sqlite3.Row], read: Callable[[sqlite3.Row], T]) -> Iterator[T]:
    """One that is damaged counts as not known: what is followed is taken in again, which writes it again."""
    for row in rows:
        with suppress(StateDamaged):
            yield read(row)


def publication_of(row: sqlite3.Row) -> Followed:
    """A row of `following`. Raises StateDamaged."""
    cells = Row(row, "following", "reference")
    error = cells.json_or_none("error", _error)
    return Followed(
        reference=cells.text("reference"),
        digest=cells.text("digest"),
        serial=cells.number("serial"),
        signers=cells.json("signers", strings),
        created=cells.text("created"),
        taken=cells.time_or_none("taken"),
        trouble=Trouble(cells.time("failed"), *error) if error else None,
        document=cells.text("document"),
    )


def _error(value: Any) -> tuple[str, str, str]:
    code, text, hint = strings(value)
    return code, text, hint


def workloads(db: sqlite3.Connection) -> dict[str, FollowedWorkload]:
    """By name."""
    return {each.workload: each for each in _sound(db.execute("SELECT * FROM followed ORDER BY workload"), workload_of)}


def workload_of(row: sqlite3.Row) -> FollowedWorkload:
    """A row of `followed`. Raises StateDamaged."""
    cells = Row(row, "followed", "workload")
    return FollowedWorkload(
        workload=cells.text("workload"),
        reference=cells.text("reference"),
        digest=cells.text("digest"),
        serial=cells.number("serial"),
        withdrawn=cells.number_or_none("withdrawn"),
    )


def highest_serial(db: sqlite3.Connection, reference: str, signers: Collection[str]) -> int:
    """That any of these keys has counted up to at this reference; 0 for none."""
    query = f"SELECT max(serial) FROM published WHERE reference = ? AND signer {LISTED}"  # noqa: S608  (constants)
    return int(db.execute(query, (reference, *listed(signers))).fetchone()[0] or 0)


def documents(db: sqlite3.Connection, reference: str, signers: Collection[str], serial: int) -> frozenset[str]:
    """The digests of what any of these keys has signed with this serial, as far as they were kept: more than one only of two series."""
    query = f"SELECT document FROM published WHERE reference = ? AND serial = ? AND document <> '' AND signer {LISTED}"  # noqa: S608  (constants)
    return frozenset(str(row[0]) for row in db.execute(query, (reference, serial, *listed(signers))))


def count(db: sqlite3.Connection, reference: str, signers: Iterable[str], serial: int, document: str) -> None:
    """The document that had a serial first stays; one that was taken in before documents were kept gets its own."""
    db.executemany(
        "INSERT INTO published (reference, signer, serial, document) VALUES (?, ?, ?, ?) ON CONFLICT (reference, signer) DO UPDATE SET"
        " serial = excluded.serial, document = excluded.document"
        " WHERE excluded.serial > serial OR (excluded.serial = serial AND document = '')",
        [(reference, signer, serial, document) for signer in signers],
    )


def take(db: sqlite3.Connection, followed: Followed) -> None:
    """It was taken in; what was wrong before is over."""
    signers = json.dumps(list(followed.signers))
    values = (followed.reference, followed.digest, followed.serial, signers, followed.created, followed.taken, followed.document)
    db.execute(
        "INSERT OR REPLACE INTO following (reference, digest, serial, signers, created, taken, document) VALUES (?, ?, ?, ?, ?, ?, ?)",
        values,
    )


def trouble(db: sqlite3.Connection, reference: str, error: Trouble | None) -> None:
    """What is wrong now, or that nothing is. A damaged row is replaced."""
    if reference not in publications(db):
        db.execute("DELETE FROM following WHERE reference = ?", (reference,))
    text = json.dumps([error.code, error.text, error.hint]) if error else None
    db.execute(
        "INSERT INTO following (reference, failed, error) VALUES (?, ?, ?)"
        " ON CONFLICT (reference) DO UPDATE SET failed = excluded.failed, error = excluded.error",
        (reference, error.since if error else None, text),
    )


def bring(db: sqlite3.Connection, workload: FollowedWorkload) -> None:
    """In place of what was known of it."""
    db.execute(
        "INSERT OR REPLACE INTO followed (workload, reference, digest, serial) VALUES (?, ?, ?, ?)",
        (workload.workload, workload.reference, workload.digest, workload.serial),
    )


def record_revision(db: sqlite3.Connection, workload: str, number: int, digest: str) -> None:
    """From which request it was accepted. It is forgotten with the revision."""
    db.execute("INSERT OR REPLACE INTO brought (workload, revision, digest) VALUES (?, ?, ?)", (workload, number, digest))


def revisions(db: sqlite3.Connection) -> dict[tuple[str, int], str]:
    """By workload and number the digest of the request."""
    return dict(_sound(db.execute("SELECT * FROM brought"), revision_of))


def revision_of(row: sqlite3.Row) -> tuple[tuple[str, int], str]:
    """A row of `brought`. Raises StateDamaged."""
    cells = Row(row, "brought", "workload", "revision")
    return (cells.text("workload"), cells.number("revision")), cells.text("digest")


def withdraw(db: sqlite3.Connection, names: Iterable[str], serial: int | None) -> None:
    """These are withdrawn by the publication with this serial; None: they are not any more."""
    db.executemany("UPDATE followed SET withdrawn = ? WHERE workload = ?", [(serial, name) for name in names])


def forget(db: sqlite3.Connection, references: Collection[str]) -> None:
    """All but these. Serials stay: an older publication is refused also when it is followed again."""
    db.execute(f"DELETE FROM following WHERE NOT reference {LISTED}", listed(references))  # noqa: S608  (constants)
    db.execute(f"DELETE FROM followed WHERE NOT reference {LISTED}", listed(references))  # noqa: S608  (constants)


def forget_gone(db: sqlite3.Connection, reference: str, names: Collection[str]) -> None:
    """What a publication has brought, except these workloads and those that are still on the box.

    One that a person has removed is remembered for as long as it is published: the same version does not come back.
    """
    gone = f"NOT workload {LISTED} AND workload NOT IN (SELECT name FROM workloads)"  # noqa: S608  (constants)
    db.execute(f"DELETE FROM followed WHERE reference = ? AND {gone}", (reference, *listed(names)))  # noqa: S608  (constants)
