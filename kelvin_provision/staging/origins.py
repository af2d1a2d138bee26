"""Where the bytes of a staged image came from: what was here before, what another on this box had, and so what was fetched.

Two numbers an image, kept from the first look on, so that restarts of the agent and broken lines change nothing about them: what is
here beyond them came over the network. They stand in one fact of the ledger, written once or twice a staging.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model import Revision
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.store import Store

FACT = "origins"


@dataclass(frozen=True)
class Origin:
    """Bytes of an image's layers, compressed. The small documents before them always come over the network, and do not count."""

    cached: int
    taken: int


Origins = Mapping[str, Origin]
"""By the image's name."""


def of(ledger: Ledger, revision: Revision) -> Origins:
    """What is known of a revision; nothing of one that was staged before such things were noted."""
    return {name: Origin(*numbers) for name, numbers in _read(ledger).get(_key(revision), {}).items()}


def layers(lock: ImageLock, store: Store) -> tuple[int, int]:
    """Bytes of an image's layers that are here, and that there are."""
    found = {layer.digest: layer for layer in lock.layers}.values()
    return sum(store.bytes_present(layer) for layer in found), sum(layer.size for layer in found)


@contextmanager
def noted(ledger: Ledger, revision: Revision, locks: Sequence[ImageLock], store: Store) -> Iterator[None]:
    """Around the taking: what is here before the first one was cached, what is here more after it was taken."""
    before = {lock.name: layers(lock, store)[0] for lock in locks}
    known = {**{name: Origin(here, 0) for name, here in before.items()}, **of(ledger, revision)}
    _write(ledger, revision, known)
    try:
        yield
    finally:
        gained = {lock.name: max(layers(lock, store)[0] - before[lock.name], 0) for lock in locks}
        _write(ledger, revision, {name: Origin(one.cached, one.taken + gained.get(name, 0)) for name, one in known.items()})


def _key(revision: Revision) -> str:
    """Numbers begin anew when a workload was removed; a deploy is never the same twice."""
    return f"{revision.batch}/{revision.workload}"


def _read(ledger: Ledger) -> dict[str, dict[str, list[int]]]:
    found: dict[str, dict[str, list[int]]] = json.loads(ledger.fact(FACT) or "{}")
    return found


def _write(ledger: Ledger, revision: Revision, origins: Origins) -> None:
    """Revisions that neither run nor are staged any more are forgotten on the way."""
    kept = {_key(slot) for found in ledger.workloads() for slot in (found.running, found.staged) if slot}
    everything = {key: value for key, value in _read(ledger).items() if key in kept}
    everything[_key(revision)] = {name: [one.cached, one.taken] for name, one in origins.items()}
    ledger.remember(FACT, json.dumps(everything, sort_keys=True))
