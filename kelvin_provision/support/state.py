"""The ledger and the store as JSON lines. All tables are included, also those added later."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from kelvin_provision.ledger import archive
from kelvin_provision.ledger import history as ledger_history
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.reading.trust import AcceptedTrust
from kelvin_provision.queries import pages
from kelvin_provision.queries.items import item_of
from kelvin_provision.queries.listing import Page, Query
from kelvin_provision.settings.model import TrustSettings
from kelvin_provision.spec.enums import State
from kelvin_provision.spec.identity import is_among
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.status import derive
from kelvin_provision.store import Store
from kelvin_provision.trust.documents.model import ROLES, TrustDocument
from kelvin_provision.trust.policy import KINDS, required
from kelvin_provision.trust.trusted import inspected
from kelvin_provision.usecases.bundles.trust import showing

EXCLUDED = frozenset({"history", "sqlite_sequence"})
MAX_ENTRIES = 5000
"""Of the history; the newest."""
MAX_WORKLOADS = 1000


def rows(ledger: Ledger) -> Iterator[dict[str, Any]]:
    """All rows of all tables but the history, with JSON columns parsed."""
    with ledger.reading() as db:
        names = [
            row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name") if row[0] not in EXCLUDED
        ]
        yield {"table": "", "schema": db.execute("PRAGMA user_version").fetchone()[0], "tables": names}
        for name in names:
            for row in db.execute(f'SELECT * FROM "{name}"'):  # noqa: S608  (a name out of the ledger's own list)
                yield {"table": name, **{key: _parsed(row[key]) for key in row.keys()}}  # noqa: SIM118  (a Row has no items)


def _parsed(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in {"{", "["}:
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def history(ledger: Ledger) -> Iterator[dict[str, Any]]:
    """Whether the hash chain is intact, then its newest entries, oldest first."""
    broken = ledger_history.broken_link(ledger)
    sealed, _ = archive.summary(ledger)
    yield {"whole": broken is None, "broken_at": broken, "last_hash": ledger_history.head(ledger), "sealed_lines": sealed}
    yield from (asdict(entry) for entry in ledger_history.history(ledger, evidence=True, newest=MAX_ENTRIES))


def workloads(ledger: Ledger) -> dict[str, Any]:
    """The output of `workloads list --json --page-size 1000`."""
    chosen = pages.names(ledger, Query(), size=MAX_WORKLOADS)
    items = tuple(item_of(workload) for workload in ledger.each(chosen.names))
    return Page(items, chosen.next_page).to_json()


def first_to_look_at(ledger: Ledger, limit: int) -> tuple[str, ...]:
    """So many workloads, sorted: those that do not run as they should come first."""
    doubtful = ledger.names_in(lambda now: now is None or derive(now).state is not State.RUNNING)
    return tuple(sorted([*dict.fromkeys((*doubtful, *ledger.names()))][:limit]))


def images(ledger: Ledger, store: Store, pinned: Iterable[str], *, trouble: str = "") -> Iterator[Mapping[str, Any]]:
    """The images of all kept revisions: how much is in the store, and whether the runtime has it."""
    pinned_names = frozenset(pinned)
    yield {"runtime_has": sorted(pinned_names), **({"runtime": trouble} if trouble else {})}
    for lock in {lock.name: lock for lock in ledger.kept_locks(sound_only=True)}.values():
        yield _image(lock, store, pinned_names)


def _image(lock: ImageLock, store: Store, pinned_names: frozenset[str]) -> dict[str, Any]:
    done, total = store.progress([lock])
    return {
        "image": str(lock.reference),
        "pinned": lock.pinned_reference,
        "platform": str(lock.platform),
        "in_store": done,
        "bytes": total,
        "in_runtime": is_among(lock, pinned_names),
        "blobs": [{"digest": blob.digest, "bytes": blob.size, "here": store.bytes_present(blob)} for blob in lock.blobs_of_all()],
        "rebuilt": {layer: plain.digest for layer, plain in store.plain_layers(lock).items()},
    }


def trust(
    settings: TrustSettings,
    document: Callable[[], TrustDocument | None] = lambda: None,
    chain: Callable[[], Sequence[AcceptedTrust]] = tuple,
) -> dict[str, Any]:
    """The keys that the box trusts, by name and id, and what must be signed. What is in the files stays there.

    With a trust document, the files do not count: then it is shown, too, and which were accepted before it.
    """
    accepted = document()
    trusted = [
        {"file": str(item.path), "error": str(item.error)}
        if item.key is None
        else {"file": str(item.path), "name": item.key.name, "type": item.key.type, "id": item.key.key_id}
        for item in inspected(settings)
    ]
    must_be_signed = [kind for kind in KINDS if required(settings, kind, has_document=accepted is not None)]
    documents = {"document": _document(accepted), "history": showing.history_to_json(chain())} if accepted else {}
    return {"trusted": trusted, "must_be_signed": must_be_signed, **documents}


def _document(document: TrustDocument) -> dict[str, Any]:
    """Its keys by name and id, as those of the files."""
    roles = {name: role for name in ROLES if (role := document.role(name))}
    revoked = document.revoked
    return {
        "number": document.number,
        "roles": {
            name: {"threshold": role.threshold, "trusted": [{"name": key.name, "type": key.type, "id": key.key_id} for key in role.keys]}
            for name, role in roles.items()
        },
        "revoked": {"signers": list(revoked.keys), "bundles": list(revoked.bundles), "images": list(revoked.images)},
    }
