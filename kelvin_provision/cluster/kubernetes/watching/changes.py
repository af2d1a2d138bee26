"""The agent's watches: they report that an object of ours has changed, and transfer metadata only."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from kelvin_provision.cluster.kubernetes.api.errors import Rejected
from kelvin_provision.cluster.kubernetes.api.reflector import RetryDelays, Selection, reflecting
from kelvin_provision.cluster.kubernetes.api.store import Store, WatchEvent
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.inventory import all_namespaces, selector
from kelvin_provision.errors import ClusterDenied, ClusterRefused, ClusterUnreachable
from kelvin_provision.retry import doubled

KINDS = (("apps/v1", "Deployment"), ("apps/v1", "StatefulSet"), ("apps/v1", "DaemonSet"), ("batch/v1", "Job"), ("v1", "Pod"))
"""The kinds that an observation depends on. An Event that matters changes its pod as well."""

RECORDS = ("v1", "ConfigMap")

DELAYS = RetryDelays()


def changes(api: Api, home: str, stop: Callable[[], bool], *, delays: RetryDelays = DELAYS, tick: float = 0.5) -> Iterator[bool]:
    """See protocol.Cluster.watch. `stop` is called every `tick` seconds."""
    yield from _until_reachable(api, stop, delays, tick)
    changed = threading.Event()
    events: queue.SimpleQueue[WatchEvent] = queue.SimpleQueue()

    def receive(event: WatchEvent) -> None:
        events.put(event)
        changed.set()

    places = [home]
    while not stop():
        known, records = places, Store()
        with reflecting(api, _selections(home, places), receive, delays):
            while not stop() and places == known:
                is_changed = changed.wait(tick)
                changed.clear()
                places = _places(events, records, home) or known
                yield is_changed


def _selections(home: str, places: Sequence[str]) -> list[Selection]:
    """Records tell of further namespaces."""
    watched = [(RECORDS, home), *((kind, place) for place in places for kind in KINDS)]
    return [Selection(*kind, place, selector=selector(home, place), metadata=True) for kind, place in watched]


def _places(events: queue.SimpleQueue[WatchEvent], records: Store, home: str) -> list[str]:
    """Raise what ended a watch, and return the namespaces that the records name; none before the records are known.

    Without permission to watch records, objects in other namespaces are observed less often.
    """
    with suppress(queue.Empty):
        while True:
            event = events.get_nowait()
            if event.kind == RECORDS[1]:
                if event.error is None:
                    records.apply(event)
            elif event.error is not None:
                _raise(event)
    return all_namespaces(records.all(RECORDS[1]), home) if records.objects else []


def _until_reachable(api: Api, stop: Callable[[], bool], delays: RetryDelays, tick: float) -> Iterator[bool]:
    """Retry until the server answers and all kinds are discovered. A kind that it does not have is an error."""
    delay, try_at = delays.first, 0.0
    while not stop():
        if time.monotonic() >= try_at:
            try:
                for kind in KINDS:
                    api.namespaced(*kind)
            except ClusterUnreachable:
                try_at, delay = time.monotonic() + delay, doubled(delay, delays.cap)
                yield True
                continue
            except Rejected as error:
                raise ClusterRefused(f"watching: {error}") from error
            return
        yield False
        time.sleep(tick)


def _raise(event: WatchEvent) -> None:
    if isinstance(event.error, ClusterDenied):
        raise event.error
    raise ClusterRefused(f"watching {event.kind}: {event.error}") from event.error
