"""Which trust documents this box has accepted. Their bytes are files of the state directory."""

from __future__ import annotations

import sqlite3

from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.ledger.rows.damage import Row, strings
from kelvin_provision.ledger.sqlite.database import Database
from kelvin_provision.wait_reason import WaitKind, WaitReason


@dataclass(frozen=True)
class AcceptedTrust:
    """`signers` are as people call them, with the start of their ids; `origin` says on what it came."""

    number: int
    digest: str
    signers: tuple[str, ...]
    accepted: str
    actor: str
    origin: str


@dataclass(frozen=True)
class RevokedRow:
    """A version that runs, or else is staged, and is revoked."""

    workload: str
    runs: bool
    reason: str


class TrustReads(Database):
    """What `Ledger` reads of trust documents."""

    def newest_trust(self) -> AcceptedTrust | None:
        """The one that counts. Raises StateDamaged: an older one would bring revoked keys back."""
        with self.reading() as db:
            row = db.execute("SELECT * FROM trust ORDER BY number DESC LIMIT 1").fetchone()
        return None if row is None else trust_of(row)

    def trust_digests(self) -> frozenset[str]:
        """Of all that were accepted."""
        with self.reading() as db:
            return frozenset(str(row[0]) for row in db.execute("SELECT digest FROM trust"))

    def accepted_trust(self) -> tuple[AcceptedTrust, ...]:
        """All of them, the newest first. Raises StateDamaged."""
        with self.reading() as db:
            return tuple(map(trust_of, db.execute("SELECT * FROM trust ORDER BY number DESC").fetchall()))

    def revoked_rows(self) -> tuple[RevokedRow, ...]:
        """By name; what runs comes first. Raises StateDamaged."""
        query = (
            "SELECT workload, number, waiting, number IS running AS runs FROM revisions JOIN workloads ON name = workload"
            " WHERE (number IS running OR number IS staged) AND waiting LIKE '%\"revoked\"%' ORDER BY workload, number"
        )
        with self.reading() as db:
            rows = [(Row(row, "revisions", "workload", "number"), bool(row["runs"])) for row in db.execute(query).fetchall()]
            waits = [(cells.text("workload"), runs, cells.json("waiting", WaitReason.from_json)) for cells, runs in rows]
        return tuple(RevokedRow(name, runs, reason.detail) for name, runs, reason in waits if reason.kind is WaitKind.REVOKED)


def trust_of(row: sqlite3.Row) -> AcceptedTrust:
    """A row of `trust`. Raises StateDamaged."""
    cells = Row(row, "trust", "number")
    return AcceptedTrust(
        number=cells.number("number"),
        digest=cells.text("digest"),
        signers=cells.json("signers", strings),
        accepted=cells.time("accepted"),
        actor=cells.text("actor"),
        origin=cells.text("origin"),
    )
