"""Reading the ledger: workloads, revisions, images, facts. Nothing in here writes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress

from kelvin_provision.errors import StateDamaged, WorkloadUnknown
from kelvin_provision.hints import command
from kelvin_provision.ledger.model.workloads import Revision, Workload
from kelvin_provision.ledger.reading.images import ImageReads
from kelvin_provision.ledger.reading.trust import TrustReads
from kelvin_provision.ledger.rows import common as rows
from kelvin_provision.ledger.rows import listing
from kelvin_provision.ledger.rows import workloads as workload_rows
from kelvin_provision.ledger.rows.damage import Row, printable
from kelvin_provision.observation import Observation
from kelvin_provision.spec.enums import Method
from kelvin_provision.status import Situation

_LONGEST = 253
"""Characters of a name that is compared with others: requests have bytes for much longer ones."""


class Reads(ImageReads, TrustReads):
    """What `Ledger` reads."""

    # --- workloads ---------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """All workloads, sorted."""
        with self.reading() as db:
            return [printable(row[0]) for row in db.execute("SELECT name FROM workloads ORDER BY name")]

    def is_empty(self) -> bool:
        """Whether there is no workload."""
        with self.reading() as db:
            return db.execute("SELECT 1 FROM workloads LIMIT 1").fetchone() is None

    def counts(self) -> tuple[int, int]:
        """How many workloads there are, and how many of them have a staged revision."""
        with self.reading() as db:
            count, staged = db.execute("SELECT count(*), count(staged) FROM workloads").fetchone()
        return count, staged

    def running_names(self) -> tuple[str, ...]:
        """Workloads with a running revision, sorted."""
        with self.reading() as db:
            names = db.execute("SELECT name FROM workloads WHERE running IS NOT NULL ORDER BY name")
            return tuple(printable(row[0]) for row in names)

    def readable(self, names: Collection[str] | None = None) -> workload_rows.Readable:
        """The workloads, or those of these names that exist, and why others of them cannot be read."""
        with self.reading() as db:
            return workload_rows.workloads(db, names)

    def each(self, names: Sequence[str] | None = None, chunk: int = 100) -> Iterator[Workload]:
        """These workloads, or all, as far as they can be read: so many are in memory at a time. Not one consistent view of them."""
        every = self.names() if names is None else names
        for first in range(0, len(every), chunk):
            yield from self.existing(every[first : first + chunk]).values()

    def readable_staged(self) -> workload_rows.Readable:
        """Workloads with a staged revision."""
        with self.reading() as db:
            names = [row[0] for row in db.execute("SELECT name FROM workloads WHERE staged IS NOT NULL ORDER BY name")]
            return workload_rows.workloads(db, [name for name in names if isinstance(name, str)])

    def readable_unapplied(self) -> workload_rows.Readable:
        """Workloads that the agent has to look at: their staged revision needs work, or is to be applied without being asked."""
        with self.reading() as db:
            return workload_rows.workloads(db, listing.names(db, listing.unapplied))

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

    def workload(self, name: str) -> Workload:
        return self.workloads([name])[0]

    def existing(self, names: Collection[str]) -> dict[str, Workload]:
        """Those of these names that exist and can be read."""
        return self.readable(names).workloads

    def _unknown(self, name: str) -> WorkloadUnknown:
        from difflib import get_close_matches

        closest = get_close_matches(name[:_LONGEST], self.names(), 1)
        hint = command("workloads show", names=(closest[0],), instruction=f"the closest name is {closest[0]}") if closest else ""
        return WorkloadUnknown(f"no workload {name} on this box", hint=hint)

    def slots(self, names: Collection[str]) -> dict[str, tuple[int | None, int | None]]:
        """The numbers in the running and the staged slot."""
        with self.reading() as db:
            return rows.slots(db, names)

    def latest(self, names: Collection[str]) -> dict[str, int]:
        """The numbers of the newest revisions that were accepted for these workloads, also if they are gone by now."""
        with self.reading() as db:
            stored = db.execute(f"SELECT name, latest FROM workloads WHERE name {rows.LISTED}", rows.listed(names))  # noqa: S608  (constants)
            return {row["name"]: row["latest"] for row in stored if type(row["latest"]) is int}

    def staged_now(self, revision: Revision) -> bool:
        """Whether this revision is still the staged one."""
        with self.reading() as db:
            row = db.execute("SELECT staged FROM workloads WHERE name = ?", (revision.workload,)).fetchone()
        return row is not None and row[0] == revision.number

    def names_in(self, matches: Callable[[Situation | None], bool]) -> tuple[str, ...]:
        """Workloads in these situations, sorted; None stands for one that is damaged. Reads no workload."""
        with self.reading() as db:
            return listing.names(db, matches)

    def observations(self, names: Collection[str]) -> dict[str, Observation | None]:
        """Of those of these workloads that exist."""
        return dict(self.known(names).observations)

    def known(self, names: Collection[str]) -> workload_rows.Known:
        """What is known of these workloads before the cluster is asked."""
        with self.reading() as db:
            return workload_rows.known(db, names)

    def has_work(self) -> bool:
        """Whether an order is pending, or a staged revision needs work of the agent. Reads no workload."""
        with self.reading() as db:
            pending = rows.standing(db, rows.pending_orders(db))
            return bool(pending) or bool(listing.situations(db, listing.in_motion))

    def stale_listing(self) -> tuple[str, ...]:
        """Workloads that lists show, sort or find by values that a failing disk changed. Reads all of them."""
        with self.reading() as db:
            return listing.stale(db)

    # --- revisions ---------------------------------------------------------------------------------

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

    def revisions(self) -> tuple[Revision, ...]:
        """All that can be read."""
        with self.reading() as db:
            return tuple(rows.sound(rows.revision, db.execute("SELECT * FROM revisions ORDER BY workload, number")))

    def each_revision(self, chunk: int = 100) -> Iterator[Revision]:
        """All that can be read: so many are in memory at a time. Not one consistent view of them."""
        query = "SELECT * FROM revisions WHERE (workload, number) > (?, ?) ORDER BY workload, number LIMIT ?"
        last: tuple[object, object] = ("", 0)
        while True:
            with self.reading() as db:
                stored = db.execute(query, (*last, chunk)).fetchall()
            yield from rows.sound(rows.revision, stored)
            if len(stored) < chunk:
                return
            last = stored[-1]["workload"], stored[-1]["number"]

    def incomplete_before(self, revision: Revision) -> tuple[Revision, ...]:
        """Staged revisions that were accepted before this one, whose images are known and not all here; the oldest first."""
        query = (
            "SELECT revisions.* FROM revisions JOIN workloads ON name = workload AND staged = number WHERE locks IS NOT NULL AND"
            " download <> 'ready' AND (revisions.created, workload) < (?, ?) ORDER BY revisions.created, workload"
        )
        with self.reading() as db:
            return tuple(rows.sound(rows.revision, db.execute(query, (revision.created, revision.workload))))

    def has_unready(self, revision: Revision) -> bool:
        """Whether another staged revision of its batch, which is applied when asked, is not complete and not blocked."""
        query = (
            "SELECT 1 FROM revisions JOIN workloads ON name = workload AND staged = number WHERE batch = ? AND workload <> ?"
            " AND download <> 'ready' AND blocked = 0 AND json_valid(spec) AND json_extract(spec, '$.method') = ? LIMIT 1"
        )
        with self.reading() as db:
            return db.execute(query, (revision.batch, revision.workload, Method.STAGED)).fetchone() is not None

    def origins(self, revision: Revision) -> str | None:
        """Where the bytes of its images came from, as text of `staging.origins`."""
        with self.reading() as db:
            row = db.execute(
                "SELECT origins FROM revisions WHERE workload = ? AND number = ?", (revision.workload, revision.number)
            ).fetchone()
        return row[0] if row and isinstance(row[0], str) else None

    # --- facts -------------------------------------------------------------------------------------

    def fact(self, key: str) -> str | None:
        """A stored fact about this box; None if it does not exist or cannot be read."""
        with suppress(StateDamaged):
            return self.sound_fact(key)
        return None

    def facts(self, prefix: str) -> dict[str, str]:
        """Facts about this box by their keys, which begin with this."""
        with self.reading() as db:
            stored = db.execute("SELECT key, value FROM facts WHERE substr(key, 1, ?) = ?", (len(prefix), prefix)).fetchall()
        return {row["key"]: row["value"] for row in stored if isinstance(row["value"], str)}

    def sound_fact(self, key: str) -> str | None:
        """A stored fact about this box, or None. Raises StateDamaged."""
        with self.reading() as db:
            row = db.execute("SELECT key, value FROM facts WHERE key = ?", (key,)).fetchone()
        return Row(row, "facts", "key").text("value") if row else None
