"""Where the bytes of a staged image came from: present before, copied from the container runtime or from a medium, or downloaded.

Three numbers per image, recorded before the first byte, so that restarts of the agent and broken connections do not change them: what is
present beyond them was downloaded. They are kept with the revision, written a few times per staging.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model.workloads import Revision
from kelvin_provision.spec.lock import ImageLock, every_variant
from kelvin_provision.store import Store


@dataclass(frozen=True)
class Origin:
    """Compressed bytes of an image's layers: `cached` were present before, `copied` came from the container runtime, `medium` from bundles.

    Manifests and configs do not count: they are always downloaded first.
    """

    cached: int
    copied: int
    medium: int = 0


Origins = Mapping[str, Origin]
"""By image name."""


def origins_of(ledger: Ledger, revision: Revision) -> Origins:
    """Empty for a revision that was staged before origins were recorded."""
    return {name: Origin(*numbers) for name, numbers in _read(ledger, revision).items()}


def layer_bytes(lock: ImageLock, store: Store) -> tuple[int, int]:
    """Bytes of the layers of an image and its variants that are present, and in total; of a delta in place of its layer."""
    layers = {layer.digest: layer for variant in every_variant([lock]) for layer in variant.layers}
    counts = [store.progress_of(layer) for layer in layers.values()]
    return sum(here for here, _ in counts), sum(total for _, total in counts)


@contextmanager
def recorded(ledger: Ledger, revision: Revision, locks: Sequence[ImageLock], store: Store, *, from_media: bool = False) -> Iterator[None]:
    """Around copying from the runtime, and again around copying from media.

    What is present before the first was cached; what is present after either in addition was copied.
    """
    before, known = {lock.name: layer_bytes(lock, store)[0] for lock in locks}, origins_of(ledger, revision)
    origins = {**{name: Origin(present, 0) for name, present in before.items()}, **known}
    if origins != known:
        _write(ledger, revision, origins)
    try:
        yield
    finally:
        copied = {lock.name: max(layer_bytes(lock, store)[0] - before[lock.name], 0) for lock in locks}
        if any(copied.values()):
            _write(ledger, revision, {name: _with(origin, copied.get(name, 0), from_media) for name, origin in origins.items()})


def _with(origin: Origin, count: int, from_media: bool) -> Origin:  # noqa: FBT001  (which of two numbers)
    return replace(origin, medium=origin.medium + count) if from_media else replace(origin, copied=origin.copied + count)


def _read(ledger: Ledger, revision: Revision) -> dict[str, list[int]]:
    """Empty if it is damaged: it is only displayed, and decides nothing."""
    try:
        origins = json.loads(ledger.origins(revision) or "{}")
        return {name: [int(number) for number in numbers] for name, numbers in origins.items() if len(numbers) in (2, 3)}
    except (ValueError, TypeError, AttributeError, OverflowError):
        return {}


def _write(ledger: Ledger, revision: Revision, origins: Origins) -> None:
    document = {name: [origin.cached, origin.copied, origin.medium] for name, origin in origins.items()}
    ledger.set_origins(revision, json.dumps(document, sort_keys=True))
