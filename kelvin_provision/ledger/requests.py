"""Requests: accepted as the staged revisions of their workloads, or withdrawn; and what bundles bring beside them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from kelvin_provision.errors import Locked
from kelvin_provision.ledger.history import append
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model.operations import Entry
from kelvin_provision.ledger.model.orders import Order
from kelvin_provision.ledger.model.workloads import Revision, Signers
from kelvin_provision.ledger.reading.bundles import ImportedBundle, KnownMedium
from kelvin_provision.ledger.reading.trust import AcceptedTrust
from kelvin_provision.ledger.rows import common as rows
from kelvin_provision.ledger.rows import orders as order_rows
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.workload import Spec

IMPORTED = "imported "
"""Before the digest of a bundle: the fact that it was imported once, which is remembered when the bundle is forgotten."""
PLACES = 16
"""Of one bundle that are kept, besides two for each of its parts."""


@dataclass(frozen=True)
class Accepted:
    """The new staged revisions, and the orders that this cancelled."""

    revisions: tuple[Revision, ...]
    cancelled: tuple[Order, ...] = ()


@dataclass(frozen=True)
class Brought:
    """What a bundle brings: requests, and the locks of their images by workload, as far as it has them.

    `signers` are those whose serials it counts up, by the id of the key, or `name:NAME` for an unsigned bundle. `older`: what it
    was imported in spite of, for the history. `parts`: into how many it was cut.
    """

    bundle: ImportedBundle
    specs: tuple[Spec, ...] = ()
    locks: Mapping[str, tuple[ImageLock, ...]] = field(default_factory=dict)
    signers: tuple[str, ...] = ()
    older: str = ""
    parts: int = 1

    @property
    def origin(self) -> str:
        """For the history."""
        return f"{self.bundle.origin}{f', {self.older}' if self.older else ''}"


def cancellations(orders: Sequence[Order]) -> tuple[str, ...]:
    """A warning for each cancelled order."""
    return tuple(f"the {order.subject} is cancelled" for order in orders)


def accept(
    ledger: Ledger,
    specs: Sequence[Spec],
    batch: str,
    *,
    actor: str,
    brought: Brought | None = None,
    signed: Mapping[str, str] = MappingProxyType({}),
    signers: Mapping[str, Signers] = MappingProxyType({}),
) -> Accepted:
    """Store all requests as one group with their history, or none. They replace what was staged for the same workloads.

    `signed` says for each workload who signed its request, for the history; `signers` by which keys, its bundle too.
    """
    action, source = ("bundle import", brought.origin) if brought else ("deploy", "")
    with ledger.writing() as db:
        known = rows.slots(db, [spec.name for spec in specs])
        new = [spec.name for spec in specs if spec.name not in known]
        removed = order_rows.cancel_removed(db, new, actor=actor, now=ledger.clock())
        revisions = ledger.accept(specs, batch, bundle=brought.bundle.digest if brought else None, signers=signers)
        for revision in revisions:
            if brought and revision.workload in brought.locks:
                ledger.set_locks(revision, brought.locks[revision.workload])
            spec, note = revision.spec, signed.get(revision.workload, "")
            detail = ", ".join(filter(None, (f"{spec.app_name} {spec.app_version}, {spec.method}", source, note)))
            append(db, Entry(ledger.clock(), actor, action, revision.workload, revision.number, "accepted", detail))
        names = [revision.workload for revision in revisions]
        return Accepted(revisions, (*removed, *order_rows.cancel_moved(db, names, actor=actor, now=ledger.clock())))


def import_bundle(
    ledger: Ledger,
    brought: Brought,
    batch: str,
    *,
    actor: str,
    signed: Mapping[str, str] = MappingProxyType({}),
    signers: Mapping[str, Signers] = MappingProxyType({}),
) -> Accepted:
    """Store what a bundle brings, and the bundle and its media, all or nothing. One that is known keeps what it brought before."""
    with ledger.writing() as db:
        _store(db, brought)
        _count(db, brought)
        if brought.bundle.images:
            count = len(brought.bundle.images)
            detail = f"{count} image{'' if count == 1 else 's'} without a request, {brought.origin}"
            append(db, Entry(ledger.clock(), actor, "bundle import", "", None, "accepted", detail))
        return accept(ledger, brought.specs, batch, actor=actor, brought=brought, signed=signed, signers=signers)


def add_places(ledger: Ledger, digest: str, media: Sequence[KnownMedium], *, parts: int) -> None:
    """Where further parts of a bundle are. Nothing else of it is touched: they are not signed. Nothing where it is forgotten by now."""
    with ledger.writing() as db:
        if db.execute("SELECT 1 FROM bundles WHERE digest = ?", (digest,)).fetchone():
            _add_places(db, digest, media, parts)


def _add_places(db: sqlite3.Connection, digest: str, media: Sequence[KnownMedium], parts: int) -> None:
    """A place that is seen again is the newest; those that were not seen for longest make room."""
    for medium in media:
        values = (digest, medium.place, medium.filesystem, medium.path)
        db.execute("INSERT OR REPLACE INTO media (bundle, place, filesystem, path) VALUES (?, ?, ?, ?)", values)
    query = "DELETE FROM media WHERE bundle = ?1 AND rowid NOT IN (SELECT rowid FROM media WHERE bundle = ?1 ORDER BY rowid DESC LIMIT ?2)"
    db.execute(query, (digest, PLACES + 2 * parts))


def _store(db: sqlite3.Connection, brought: Brought) -> None:
    """One that is known keeps its place in the order: whatever is brought again must not become what a tag means."""
    bundle = brought.bundle
    db.execute(
        "INSERT INTO bundles (digest, name, serial, signers, imported, actor) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (digest) DO UPDATE SET signers = excluded.signers, imported = excluded.imported, actor = excluded.actor",
        (bundle.digest, bundle.name, bundle.serial, json.dumps(list(bundle.signers)), bundle.imported, bundle.actor),
    )
    if bundle.images:
        images = json.dumps([lock.to_json() for lock in bundle.images])
        db.execute("UPDATE bundles SET images = ? WHERE digest = ?", (images, bundle.digest))
    db.execute("INSERT OR REPLACE INTO facts (key, value) VALUES (?, ?)", (IMPORTED + bundle.digest, bundle.imported))
    _add_places(db, bundle.digest, bundle.media, brought.parts)


def _count(db: sqlite3.Connection, brought: Brought) -> None:
    bundle = brought.bundle
    if bundle.serial > 0:
        db.executemany(
            "INSERT INTO serials (signer, serial, digest, name) VALUES (?, ?, ?, ?) ON CONFLICT (signer) DO UPDATE SET"
            " serial = excluded.serial, digest = excluded.digest, name = excluded.name WHERE excluded.serial > serial",
            [(signer, bundle.serial, bundle.digest, bundle.name) for signer in brought.signers],
        )


def drop_staged(ledger: Ledger, name: str, *, actor: str, number: int | None = None, order: Order | None = None) -> tuple[Order, ...]:
    """Delete the staged revision of a workload, with `number` only if it is that one; returns the orders that this cancels.

    `order` is the one that this carries out. Raises WorkloadUnknown.
    """
    with ledger.writing() as db:
        staged = ledger.workload(name).staged
        if number is not None and (staged is None or staged.number != number):
            return ()
        ledger.drop_staged(name)
        if staged:
            version = staged.spec.app_version
            append(db, Entry(ledger.clock(), actor, "undeploy --staged", name, staged.number, "done", version=version))
        return order_rows.cancel_moved(db, [name], actor=actor, now=ledger.clock(), besides=order)


def refuse_moved(ledger: Ledger, number: int) -> None:
    """Within the transaction that relies on it: whether the document with this number is still the newest. Raises Locked."""
    newest = ledger.newest_trust()
    if (newest.number if newest else 0) != number:
        raise Locked("the trusted keys of this box changed meanwhile", hint="try again")


def accept_trust(ledger: Ledger, documents: Sequence[AcceptedTrust], action: str) -> None:
    """Store trust documents as accepted, each with its line in the history, all or none. Their files are durable before. Raises Locked."""
    with ledger.writing() as db:
        for document in documents:
            refuse_moved(ledger, document.number - 1)
            values = (document.number, document.digest, json.dumps(list(document.signers)), document.accepted, document.actor)
            db.execute(
                "INSERT INTO trust (number, digest, signers, accepted, actor, origin) VALUES (?, ?, ?, ?, ?, ?)", (*values, document.origin)
            )
            signers = ", ".join(document.signers)
            detail = f"trust document {document.number} {document.digest}, signed by {signers}, {document.origin}"
            append(db, Entry(document.accepted, document.actor, action, "", None, "accepted", detail))
