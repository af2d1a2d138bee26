"""The ledger: workloads, revisions, observations. Every method that writes is one durable transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from kelvin_provision.errors import StateDamaged, WorkloadUnknown
from kelvin_provision.hints import command
from kelvin_provision.ledger.model import Revision, Workload
from kelvin_provision.ledger.rows import common as rows
from kelvin_provision.ledger.rows import listing
from kelvin_provision.ledger.rows import workloads as workload_rows
from kelvin_provision.ledger.rows.damage import Row, printable
from kelvin_provision.ledger.sqlite.database import Database, utc_now
from kelvin_provision.spec.enums import Download
from kelvin_provision.spec.identity import COARSEST
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.workload import Object, Spec
from kelvin_provision.status import Observation

if TYPE_CHECKING:
    from kelvin_provision.ledger.staging_state import Event, StagingState

__all__ = ["Ledger", "utc_now"]


class Ledger(Database):
    """One open ledger; safe to share between threads. Use it as a context manager."""

    # --- requests ---------------------------------------------------------------------------------

    def accept(self, specs: Sequence[Spec], batch: str) -> tuple[Revision, ...]:
        """Store requests as the staged revisions of their workloads, all or none; earlier staged ones are replaced."""
        now = self.clock()
        with self.writing() as db:
            for spec in specs:
                db.execute(
                    "INSERT INTO workloads (name, title, created, updated) VALUES (?, ?, ?, ?)"
                    " ON CONFLICT (name) DO UPDATE SET title = excluded.title, updated = excluded.updated",
                    (spec.name, spec.title, now, now),
                )
                db.execute("UPDATE workloads SET latest = latest + 1 WHERE name = ?", (spec.name,))
                db.execute(
                    "INSERT INTO revisions (workload, number, batch, created, spec, download)"
                    " SELECT name, latest, ?, ?, ?, ? FROM workloads WHERE name = ?",
                    (batch, now, json.dumps(spec.to_json()), Download.PENDING, spec.name),
                )
                rows.delete_staged(db, spec.name)
                db.execute("UPDATE workloads SET staged = latest WHERE name = ?", (spec.name,))
            return tuple(_staged(db, spec.name) for spec in specs)

    def drop_staged(self, name: str) -> None:
        """Delete the staged revision, and the workload if it has no other."""
        with self.writing() as db:
            rows.delete_staged(db, name)
            db.execute("UPDATE workloads SET staged = NULL, updated = ? WHERE name = ?", (self.clock(), name))
            db.execute("DELETE FROM workloads WHERE name = ? AND running IS NULL", (name,))

    # --- reading ----------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """All workloads, sorted."""
        with self.reading() as db:
            return [printable(row[0]) for row in db.execute("SELECT name FROM workloads ORDER BY name")]

    def stale_listing(self) -> tuple[str, ...]:
        """Workloads that lists show, sort or find by values that a failing disk changed. Reads all of them."""
        with self.reading() as db:
            return listing.stale(db)

    def renew_listing(self) -> tuple[str, ...]:
        """Correct what `stale_listing` returns. Writes nothing when that is nothing."""
        names = self.stale_listing()
        if names:
            with self.writing() as db:
                listing.renew(db)
        return names

    def is_empty(self) -> bool:
        """Whether there is no workload."""
        with self.reading() as db:
            return db.execute("SELECT 1 FROM workloads LIMIT 1").fetchone() is None

    def running_names(self) -> tuple[str, ...]:
        """Workloads with a running revision, sorted."""
        with self.reading() as db:
            names = db.execute("SELECT name FROM workloads WHERE running IS NOT NULL ORDER BY name")
            return tuple(printable(row[0]) for row in names)

    def has_work(self) -> bool:
        """Whether an order is pending, or a staged revision needs work of the agent. Reads no workload."""
        with self.reading() as db:
            pending = rows.standing(db, rows.pending_orders(db))
            return bool(pending) or bool(listing.situations(db, listing.in_motion))

    def workloads(self, names: Sequence[str] | None = None) -> tuple[Workload, ...]:
        """All that can be read, sorted by name; or these in their order.

        Raises WorkloadUnknown or StateDamaged for the first of these that does not exist or cannot be read.
        """
        readable = self.readable(names)
        if names is None:
            return tuple(readable.workloads.values())
        for name in names:
            if name in readable.damaged:
                raise readable.damaged[name]
            if name not in readable.workloads:
                raise self._unknown(name)
        return tuple(readable.workloads[name] for name in dict.fromkeys(names))

    def readable(self, names: Collection[str] | None = None) -> workload_rows.Readable:
        """The workloads, or those of these names that exist, and why others of them cannot be read."""
        with self.reading() as db:
            return workload_rows.workloads(db, names)

    def _unknown(self, name: str) -> WorkloadUnknown:
        from difflib import get_close_matches

        closest = get_close_matches(name, self.names(), 1)
        hint = command("workloads show", names=(closest[0],), instruction=f"the closest name is {closest[0]}") if closest else ""
        return WorkloadUnknown(f"no workload {name} on this box", hint=hint)

    def slots(self, names: Collection[str]) -> dict[str, tuple[int | None, int | None]]:
        """The numbers in the running and the staged slot."""
        with self.reading() as db:
            return rows.slots(db, names)

    def existing(self, names: Collection[str]) -> dict[str, Workload]:
        """Those of these names that exist and can be read."""
        return self.readable(names).workloads

    def workload(self, name: str) -> Workload:
        return self.workloads([name])[0]

    def revision(self, name: str, number: int) -> Revision:
        """One revision; raises WorkloadUnknown."""
        with self.reading() as db:
            row = db.execute("SELECT * FROM revisions WHERE workload = ? AND number = ?", (name, number)).fetchone()
        if row is None:
            raise WorkloadUnknown(f"no revision {number} of {name} on this box")
        return rows.revision(row)

    def kept(self, name: str) -> tuple[Revision, ...]:
        """Revisions that ran, can be read and can run again, apart from the running and the staged one; the last that ran comes first."""
        query = (
            "SELECT revisions.* FROM revisions JOIN workloads ON name = workload WHERE name = ?"
            " AND applied IS NOT NULL AND objects IS NOT NULL AND number IS NOT running AND number IS NOT staged ORDER BY applied DESC"
        )
        with self.reading() as db:
            return tuple(rows.sound(rows.revision, db.execute(query, (name,))))

    def kept_locks(self, *, sound_only: bool = False) -> tuple[ImageLock, ...]:
        """Image locks of all stored revisions. Their blobs and images must stay, so who removes others must know all of them.

        Raises StateDamaged unless `sound_only`.
        """
        with self.reading() as db:
            stored = db.execute("SELECT workload, number, locks FROM revisions WHERE locks IS NOT NULL").fetchall()
        readable = map(rows.locks_of, stored) if not sound_only else rows.sound(rows.locks_of, stored)
        return tuple(lock for locks in readable for lock in locks)

    def revisions(self) -> tuple[Revision, ...]:
        """All that can be read."""
        with self.reading() as db:
            return tuple(rows.sound(rows.revision, db.execute("SELECT * FROM revisions ORDER BY workload, number")))

    def known_images(self, *, sound_only: bool = False) -> tuple[ImageLock, ...]:
        """Every image that this program owns: of stored revisions, and those to be removed from the runtime. Raises as `kept_locks`."""
        with self.reading() as db:
            loaded = rows.images(db)
        return tuple({lock.name: lock for lock in (*loaded, *self.kept_locks(sound_only=sound_only))}.values())

    def unneeded_images(self) -> tuple[ImageLock, ...]:
        """Images that this program imported into the runtime and that no stored revision needs."""
        with self.reading() as db:
            kept, loaded = self.kept_locks(), rows.images(db)
        needed = {COARSEST.of(lock) for lock in kept}  # Docker may have one image for two locks
        return tuple(lock for lock in loaded if COARSEST.of(lock) not in needed)

    def forget_image(self, lock: ImageLock) -> None:
        """Call it after the image was removed from the runtime."""
        with self.writing() as db:
            db.execute("DELETE FROM images WHERE name = ?", (lock.name,))

    # --- progress of a revision -------------------------------------------------------------------

    def staged_now(self, revision: Revision) -> bool:
        """Whether this revision is still the staged one."""
        with self.reading() as db:
            row = db.execute("SELECT staged FROM workloads WHERE name = ?", (revision.workload,)).fetchone()
        return row is not None and row[0] == revision.number

    def advance(self, revision: Revision, event: Event) -> StagingState | None:
        """Record an event of a staged revision; returns its new state, None when the revision is gone.

        Writes nothing when nothing changes: flash wears out.
        """
        from kelvin_provision.ledger.staging_state import transition  # who only reads needs none of its events

        with self.reading() as db:
            before = rows.staging_state(db, revision.workload, revision.number)
        if before is None or transition(before, event) == before:
            return before
        with self.writing() as db:
            before = rows.staging_state(db, revision.workload, revision.number)
            if before is None:
                return None
            after = transition(before, event)
            rows.set_staging_state(db, revision.workload, revision.number, after)
            db.execute("UPDATE workloads SET updated = ? WHERE name = ?", (self.clock(), revision.workload))
            return after

    def set_locks(self, revision: Revision, locks: Sequence[ImageLock]) -> None:
        """Record its image locks. Called once per revision."""
        text = json.dumps([lock.to_json() for lock in locks])
        with self.writing() as db:
            db.execute("UPDATE revisions SET locks = ? WHERE workload = ? AND number = ?", (text, revision.workload, revision.number))
            rows.remember_images(db, locks)

    def set_objects(self, revision: Revision, objects: Sequence[Object]) -> None:
        """Record its rendered objects, so that a later rollback applies the same objects to the byte."""
        with self.writing() as db:
            key = (json.dumps(list(objects)), revision.workload, revision.number)
            db.execute("UPDATE revisions SET objects = ? WHERE workload = ? AND number = ?", key)

    # --- observations and facts -------------------------------------------------------------------

    def observe(self, seen: Mapping[str, Observation | None]) -> None:
        """Record observations. Workloads that do not exist any more are ignored."""
        with self.writing() as db:
            for name, observation in seen.items():
                text = json.dumps(observation.to_json()) if observation else None
                db.execute("UPDATE workloads SET observation = ? WHERE name = ?", (text, name))

    def fact(self, key: str) -> str | None:
        """A stored fact about this box; None if it does not exist or cannot be read."""
        with suppress(StateDamaged):
            return self.sound_fact(key)
        return None

    def sound_fact(self, key: str) -> str | None:
        """A stored fact about this box, or None. Raises StateDamaged."""
        with self.reading() as db:
            row = db.execute("SELECT key, value FROM facts WHERE key = ?", (key,)).fetchone()
        return Row(row, "facts", "key").text("value") if row else None

    def remember(self, key: str, value: str) -> None:
        """Store a fact about this box. An unchanged value is not written."""
        if self.fact(key) != value:
            with self.writing() as db:
                db.execute("INSERT OR REPLACE INTO facts (key, value) VALUES (?, ?)", (key, value))


def _staged(db: sqlite3.Connection, name: str) -> Revision:
    query = "SELECT revisions.* FROM revisions JOIN workloads ON name = workload AND staged = number WHERE name = ?"
    return rows.revision(db.execute(query, (name,)).fetchone())
