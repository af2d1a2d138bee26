"""Reading the ledger: images, of stored revisions and in the runtime. Nothing in here writes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from kelvin_provision.errors import StateDamaged
from kelvin_provision.ledger.reading.bundles import BundleReads
from kelvin_provision.ledger.rows import common as rows
from kelvin_provision.ledger.rows import retention
from kelvin_provision.ledger.rows.damage import Row
from kelvin_provision.spec.lock import ImageLock, every_variant

if TYPE_CHECKING:
    from kelvin_provision.spec.signatures import ImageVerdict


def image_key(lock: ImageLock) -> tuple[str, str]:
    """What the table `signatures` knows an image by: nothing else may have been signed."""
    return lock.manifest.digest, lock.source.digest


class ImageReads(BundleReads):
    """What `Ledger` reads of images."""

    def kept_locks(self, *, sound_only: bool = False, keep: int | None = None) -> tuple[ImageLock, ...]:
        """Image locks of all stored revisions, each once, and of what bundles brought without one. Their blobs and images must stay, so
        who removes others must know all of them.

        With `keep`, without what `images prune` drops: revisions beyond it, and images without a revision. Raises StateDamaged unless
        `sound_only`.
        """
        with self.reading() as db:
            query, values = "SELECT workload, number, locks FROM revisions WHERE locks IS NOT NULL", {}
            if keep is not None:
                query, values = f"{query} AND rowid NOT IN ({retention.BEYOND})", {"keep": keep}
            locks = rows.distinct_locks(db, query, values, sound_only=sound_only)
            return tuple(dict.fromkeys((*locks, *(self.bundled_images(sound_only=sound_only) if keep is None else ()))))

    def beyond(self, keep: int) -> tuple[tuple[str, int], ...]:
        """Workload and number of each revision that is kept for a rollback although `keep` others ran later."""
        with self.reading() as db:
            return retention.beyond(db, keep)

    def ready_locks(self) -> tuple[ImageLock, ...]:
        """Image locks of the complete revisions that run or are staged, as far as they can be read."""
        query = (
            "SELECT workload, number, locks FROM workloads JOIN revisions ON workload = name AND number IN (running, staged)"
            " WHERE download = 'ready' AND locks IS NOT NULL"
        )
        with self.reading() as db:
            return rows.distinct_locks(db, query, {}, sound_only=True)

    def manifests_of(self, index: str) -> tuple[str, ...]:
        """Those that the locks of this box say came from this index."""
        with self.reading() as db:
            locks = (*rows.images(db, index), *self.bundled_images(sound_only=True))
        return tuple({lock.manifest.digest: None for lock in every_variant(locks) if lock.index and lock.index.digest == index})

    def has_images(self) -> bool:
        """Whether this program has ever resolved an image that is not forgotten."""
        with self.reading() as db:
            return db.execute("SELECT 1 FROM images LIMIT 1").fetchone() is not None

    def imported_images(self) -> tuple[ImageLock, ...]:
        """Images that were resolved for import and are not forgotten: at least those that stored revisions need."""
        with self.reading() as db:
            return rows.images(db)

    def images_like(self, locks: Sequence[ImageLock]) -> tuple[ImageLock, ...]:
        """The images of stored revisions that share a layer with one of these."""
        with self.reading() as db:
            all_needed = self.garbage() is None
            return tuple(rows.images_like(db, {layer.digest for lock in locks for layer in lock.layers}, all_needed=all_needed))

    def known_images(self, *, sound_only: bool = False) -> tuple[ImageLock, ...]:
        """Every image that this program owns: of stored revisions, and those to be removed from the runtime. Raises as `kept_locks`.

        Of two with one name, the one with more variants.
        """
        with self.reading() as db:
            loaded = rows.images(db)
        known = sorted((*loaded, *self.kept_locks(sound_only=sound_only)), key=lambda lock: len(lock.variants))
        return tuple({lock.name: lock for lock in known}.values())

    def has_images_besides(self, names: Collection[str]) -> bool:
        """Whether this program has ever resolved another image, by `ImageLock.name`, that is not forgotten."""
        with self.reading() as db:
            query = "SELECT EXISTS (SELECT 1 FROM images WHERE name NOT IN (SELECT value FROM json_each(?)))"
            return bool(db.execute(query, rows.listed(names)).fetchone()[0])

    def unneeded_images(self, *, keep: int | None = None) -> tuple[ImageLock, ...]:
        """Images that this program imported into the runtime and that no stored revision needs; `keep` as for `kept_locks`."""
        from kelvin_provision.spec.identity import COARSEST  # who only lists needs it not

        with self.reading() as db:
            kept, loaded = self.kept_locks(keep=keep), rows.images(db)
        needed = {COARSEST.of(lock) for lock in kept}  # Docker may have one image for two locks
        return tuple(lock for lock in loaded if COARSEST.of(lock) not in needed)

    def verdict(self, lock: ImageLock) -> ImageVerdict | None:
        """Who signed the image; None where that was not looked at, or cannot be read: then it is looked at again."""
        from kelvin_provision.spec.signatures import ImageVerdict  # a list shows no signers

        with self.reading() as db:
            row = db.execute("SELECT * FROM signatures WHERE manifest = ? AND source = ?", image_key(lock)).fetchone()
        with suppress(StateDamaged):
            return Row(row, "signatures", "manifest").json("verdict", ImageVerdict.from_json) if row else None
        return None

    def garbage(self) -> str | None:
        """Changes whenever a stored revision is dropped, or its images are replaced; None when all that was left of it is gone."""
        with self.reading() as db:
            row = db.execute("SELECT value FROM facts WHERE key = 'garbage'").fetchone()
        return str(row[0]) if row else None
