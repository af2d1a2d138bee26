"""What it takes to verify a bundle that brings 64 trust documents, each of two out of three root keys, to a box that knows none."""

from __future__ import annotations

import resource
import statistics
from collections.abc import Iterator
from pathlib import Path

from bench.measure import Row, require
from kelvin_provision.bundles.acceptance import accept
from kelvin_provision.bundles.opening import find, read_head
from kelvin_provision.trust.believed import Trust
from kelvin_provision.trust.documents.model import MOST
from kelvin_provision.trust.dsse import BUNDLE, Entry, document
from tests.kit import bundles
from tests.kit.signing import key_pair, signature, trusting
from tests.kit.trusting import signed, trust_document

ROUNDS = 7


def rows(folder: Path) -> Iterator[Row]:
    """Seconds of processor time, of this process and of the one that verifies."""
    place = folder / "trust"
    place.mkdir()
    pairs = [key_pair(name=f"key-{number}") for number in range(MOST + 3)]
    chain = [signed(trust_document(n, *pairs[n : n + 3], threshold=2), *pairs[n - 1 : n + 3]) for n in range(1, MOST + 1)]
    bundle = bundles.make(requests=[b"{}"], trust=tuple(chain))
    bundle.write(place, document([Entry(public.key_id, signature(key, bundle.table, BUNDLE)) for key, public in pairs[-3:]]))
    site = Trust(trusting(place, pairs[0]))
    spent = statistics.median(_verified(place, site) for _ in range(ROUNDS))
    yield Row(f"verifying a bundle with {MOST} trust documents, processor", f"{spent:.2f} s", "", spent, 0.2, " s")


def _verified(place: Path, site: Trust) -> float:
    began = _used()
    accepted = accept(read_head(find(place)), site)
    require(len(accepted.steps) == MOST and len(accepted.signers) == 3, "not every document was accepted")
    return _used() - began


def _used() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
