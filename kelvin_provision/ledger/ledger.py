"""The ledger: workloads, revisions, observations. Every method that writes is one durable transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from kelvin_provision.ledger.model.workloads import Revision, Signers
from kelvin_provision.ledger.reading.bundles import UNNEEDED
from kelvin_provision.ledger.reading.images import image_key
from kelvin_provision.ledger.reading.workloads import Reads
from kelvin_provision.ledger.rows import common as rows
from kelvin_provision.ledger.rows import listing, retention
from kelvin_provision.ledger.rows import workloads as workload_rows
from kelvin_provision.ledger.sqlite.database import utc_now
from kelvin_provision.observation import Observation
from kelvin_provision.spec.enums import Download
from kelvin_provision.spec.lock import ImageLock, every_variant
from kelvin_provision.spec.workload import Object, Spec

if TYPE_CHECKING:
    from kelvin_provision.ledger.rows.workloads import Known
    from kelvin_provision.ledger.staging_state import Event, StagingState
    from kelvin_provision.spec.signatures import ImageVerdict

__all__ = ["Ledger", "utc_now"]


class Ledger(Reads):
    """One open ledger; safe to share between threads. Use it as a context manager."""

    # --- requests ----------------------------------------------------------------------------------

    def accept(
        self, specs: Sequence[Spec], batch: str, *, bundle: str | None = None, signers: Mapping[str, Signers] = MappingProxyType({})
    ) -> tuple[Revision, ...]:
        """Store requests as the staged revisions of their workloads, all or none; earlier staged ones are replaced.

        `bundle` is the digest of the one that brought them; `signers` says for each workload who signed it.
        """
        from kelvin_provision.ledger.rows import plain

        now = self.clock()
        with self.writing() as db:
            for spec in specs:
                db.execute(
                    "INSERT INTO workloads (name, title, created, updated) VALUES (?, ?, ?, ?)"
                    " ON CONFLICT (name) DO UPDATE SET title = excluded.title, updated = excluded.updated",
                    (spec.name, spec.title, now, now),
                )
                db.execute("UPDATE workloads SET latest = latest + 1 WHERE name = ?", (spec.name,))
                document = spec.to_json()
                signed = rows.signers_to_json(signers.get(spec.name, Signers()))
                db.execute(
                    "INSERT INTO revisions (workload, number, batch, created, spec, download, plain, bundle, signers)"
                    " SELECT name, latest, ?, ?, ?, ?, ?, ?, ? FROM workloads WHERE name = ?",
                    (batch, now, json.dumps(document), Download.PENDING, plain.of(document), bundle, signed, spec.name),
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
            rows.forget_removed(db, name)

    # --- progress of a revision --------------------------------------------------------------------

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
        from kelvin_provision.ledger.rows import plain

        with self.writing() as db:
            key = (revision.workload, revision.number)
            db.execute("UPDATE revisions SET objects = ? WHERE workload = ? AND number = ?", (json.dumps(list(objects)), *key))
            looked_at = plain.of(revision.spec.to_json(), list(objects))  # a trigger has taken back what was known
            db.execute("UPDATE revisions SET plain = ? WHERE workload = ? AND number = ?", (looked_at, *key))

    def review_secrets(self, limit: int = 100) -> bool:
        """Look whether so many revisions have secrets that other rules were asked about; returns whether there are more."""
        from kelvin_provision.ledger.rows import plain

        with self.reading() as db:
            if not plain.has_unknown(db):
                return False
        with self.writing() as db:
            return plain.review(db, limit)

    def set_origins(self, revision: Revision, text: str) -> None:
        """An unchanged text is not written."""
        if self.origins(revision) != text:
            with self.writing() as db:
                db.execute("UPDATE revisions SET origins = ? WHERE workload = ? AND number = ?", (text, revision.workload, revision.number))

    # --- observations, images and facts ------------------------------------------------------------

    def renew_listing(self) -> tuple[str, ...]:
        """Correct what `stale_listing` returns. Writes nothing when that is nothing."""
        names = self.stale_listing()
        if names:
            with self.writing() as db:
                listing.renew(db)
        return names

    def no_garbage(self, value: str) -> None:
        """All was freed since `garbage` had this value."""
        with self.writing() as db:
            db.execute("DELETE FROM facts WHERE key = 'garbage' AND value = ?", (value,))

    def forget_beyond(self, keep: int) -> None:
        """Delete the revisions that are kept for a rollback although `keep` others ran later; images without one are kept no more."""
        with self.writing() as db:
            retention.forget(db, keep)
            db.execute("UPDATE bundles SET images = NULL WHERE images IS NOT NULL")

    def forget_bundles(self) -> None:
        """Those that `unneeded_bundles` returns. The history still names them."""
        with self.writing() as db:
            db.execute(f"DELETE FROM bundles WHERE {UNNEEDED}")  # noqa: S608  (a constant)

    def revoke_bundles(self, digests: Collection[str]) -> None:
        """These, and no others."""
        with self.writing() as db:
            revoked = f"digest {rows.LISTED}"
            db.execute(f"UPDATE bundles SET revoked = {revoked} WHERE revoked <> ({revoked})", rows.listed(digests) * 2)  # noqa: S608  (constants)

    def forget_image(self, lock: ImageLock) -> None:
        """Call it after the image was removed from the runtime. One that a revision needs again by now is still remembered."""
        from kelvin_provision.spec.identity import COARSEST  # who only reads needs it not

        with self.writing() as db:
            needed = "EXISTS (SELECT 1 FROM revisions WHERE instr(locks, ?))"
            db.execute(f"DELETE FROM images WHERE name = ? AND NOT {needed}", (lock.name, COARSEST.of(lock)))  # noqa: S608  (a constant)

    def set_verdict(self, lock: ImageLock, verdict: ImageVerdict) -> None:
        """Record who signed the image. An unchanged verdict is not written."""
        if self.verdict(lock) != verdict:
            text = json.dumps(verdict.to_json())
            with self.writing() as db:
                db.execute("INSERT OR REPLACE INTO signatures (manifest, source, verdict) VALUES (?, ?, ?)", (*image_key(lock), text))

    def forget_verdicts(self) -> None:
        """Those of images that no stored revision needs."""
        with self.reading() as db:
            known = {(row[0], row[1]) for row in db.execute("SELECT manifest, source FROM signatures")}
        stale = known - {image_key(lock) for lock in every_variant(self.kept_locks())} if known else ()
        if stale:
            with self.writing() as db:
                db.executemany("DELETE FROM signatures WHERE manifest = ? AND source = ?", stale)

    def observe(self, seen: Mapping[str, Observation | None], *, confirmed: str = "", known: Known | None = None) -> bool:
        """Record observations; workloads that do not exist any more are ignored.

        `confirmed`: when everything else that runs was seen to be unchanged. `known` is what was known before they were made: if more
        is known by now, they may be older than what stands here. Nothing is recorded then, and False is returned.
        """
        with self.writing() as db:
            if known and workload_rows.is_outdated(db, known, seen):
                return False
            if confirmed:
                db.execute("INSERT OR REPLACE INTO facts (key, value) VALUES ('observed', ?)", (confirmed,))
            for name, observation in seen.items():
                text = json.dumps(observation.to_json()) if observation else None
                db.execute("UPDATE workloads SET observation = ? WHERE name = ?", (text, name))
        return True

    def remember(self, key: str, value: str) -> None:
        """Store a fact about this box. An unchanged value is not written."""
        if self.fact(key) != value:
            with self.writing() as db:
                db.execute("INSERT OR REPLACE INTO facts (key, value) VALUES (?, ?)", (key, value))


def _staged(db: sqlite3.Connection, name: str) -> Revision:
    query = "SELECT revisions.* FROM revisions JOIN workloads ON name = workload AND staged = number WHERE name = ?"
    return rows.revision(db.execute(query, (name,)).fetchone())
