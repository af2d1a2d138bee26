"""Bundles that were imported, the media that had them, and the images that they brought without a revision."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from contextlib import nullcontext, suppress
from pathlib import Path

from kelvin_provision.errors import StateDamaged
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.ledger.rows import common as rows
from kelvin_provision.ledger.rows.damage import Row, strings
from kelvin_provision.ledger.sqlite.database import Database
from kelvin_provision.spec.lock import ImageLock, locks_from_json


@dataclass(frozen=True)
class KnownMedium:
    """Where a bundle, or a part of it, was found. `path` is that of `place` from the root of its filesystem."""

    place: str
    filesystem: str
    path: str


@dataclass(frozen=True)
class ImportedBundle:
    """`digest` is that of its table of contents. `images` are kept without a revision. No tag is looked up in one that is `revoked`."""

    digest: str
    name: str
    serial: int
    signers: tuple[str, ...]
    imported: str
    actor: str
    media: tuple[KnownMedium, ...] = ()
    images: tuple[ImageLock, ...] = ()
    revoked: bool = False

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The first 12 digits of the ids of its signers' keys."""
        return tuple(signer.rpartition(" (")[2].removesuffix(")") for signer in self.signers)

    @property
    def file_names(self) -> frozenset[str]:
        """What its files may be called, without `.kpb` and the number of a part."""
        return frozenset({Path(medium.place).name.partition(".kpb")[0] for medium in self.media} | {self.name})

    @property
    def origin(self) -> str:
        """For the history: which bundle, whose, and where it lay."""
        signed = f"signed by {', '.join(self.signers)}" if self.signers else "not signed"
        return f"from bundle {self.name} {self.digest}, {signed}, on {self._places}"

    @property
    def source(self) -> str:
        """For the history of what is signed itself."""
        return f"from bundle {self.name} {self.digest}, on {self._places}"

    @property
    def _places(self) -> str:
        return ", ".join(medium.place for medium in self.media) or "no medium"


@dataclass(frozen=True)
class Serial:
    """The highest serial that was imported of a signer, and the bundle that had it, which may be forgotten by now."""

    number: int
    digest: str
    name: str


_SHORT = 12
"""Digits of a key's id that were kept before the twelfth schema."""


class BundleReads(Database):
    """What `Ledger` reads of bundles."""

    def bundles(self, digests: Collection[str] | None = None) -> tuple[ImportedBundle, ...]:
        """All that can be read, or those of these digests, the newest first."""
        with self.reading() as db:
            where, values = (f" WHERE digest {rows.LISTED}", rows.listed(digests)) if digests is not None else ("", ())
            stored = db.execute(f"SELECT * FROM bundles{where} ORDER BY rowid DESC", values).fetchall()  # noqa: S608  (constants)
            return tuple(rows.sound(lambda row: bundle_of(row, _media(db, row["digest"])), stored))

    def bundled_images(self, *, sound_only: bool = False) -> tuple[ImageLock, ...]:
        """Images that are kept without a revision, each once. Raises StateDamaged unless `sound_only`."""
        locks: dict[ImageLock, None] = {}
        with self.reading() as db:
            for row in db.execute("SELECT digest, images FROM bundles WHERE images IS NOT NULL"):
                with suppress(StateDamaged) if sound_only else nullcontext():
                    locks |= dict.fromkeys(Row(row, "bundles", "digest").json("images", locks_from_json))
        return tuple(locks)

    def highest_serial(self, signers: Collection[str]) -> Serial | None:
        """Of all these, as `Brought.signers` has them; None where none of them counts. Raises StateDamaged."""
        keys = {key for signer in signers for key in (signer, signer[:_SHORT])}
        with self.reading() as db:
            query = f"SELECT * FROM serials WHERE signer {rows.LISTED} ORDER BY serial DESC LIMIT 1"  # noqa: S608  (constants)
            row = db.execute(query, rows.listed(keys)).fetchone()
            return None if row is None else serial_of(row)

    def serials(self) -> dict[str, int]:
        """The highest serial of each signer, as `Brought.signers` has them."""
        with self.reading() as db:
            return {row["signer"]: row["serial"] for row in db.execute("SELECT signer, serial FROM serials ORDER BY signer")}

    def unneeded_bundles(self) -> tuple[str, ...]:
        """Digests of those that no revision came from, and that keep no image."""
        with self.reading() as db:
            return tuple(row[0] for row in db.execute(f"SELECT digest FROM bundles WHERE {UNNEEDED}"))  # noqa: S608  (a constant)


UNNEEDED = "images IS NULL AND NOT EXISTS (SELECT 1 FROM revisions WHERE bundle = digest)"


def _media(db: sqlite3.Connection, digest: str) -> Iterable[KnownMedium]:
    return rows.sound(medium_of, db.execute("SELECT * FROM media WHERE bundle = ? ORDER BY rowid DESC", (digest,)).fetchall())


def medium_of(row: sqlite3.Row) -> KnownMedium:
    """A row of `media`. Raises StateDamaged."""
    cells = Row(row, "media", "bundle", "place")
    return KnownMedium(cells.text("place"), cells.text("filesystem"), cells.text("path"))


def serial_of(row: sqlite3.Row) -> Serial:
    """A row of `serials`. Raises StateDamaged."""
    cells = Row(row, "serials", "signer")
    return Serial(cells.number("serial"), cells.text("digest"), cells.text("name"))


def bundle_of(row: sqlite3.Row, media: Iterable[KnownMedium] = ()) -> ImportedBundle:
    """A row of `bundles`. Raises StateDamaged."""
    cells = Row(row, "bundles", "digest")
    return ImportedBundle(
        digest=cells.text("digest"),
        name=cells.text("name"),
        serial=cells.number("serial"),
        signers=cells.json("signers", strings),
        imported=cells.time("imported"),
        actor=cells.text("actor"),
        media=tuple(media),
        images=cells.json_or_none("images", locks_from_json) or (),
        revoked=cells.flag("revoked"),
    )
