"""The agent's watches: they report that an object of ours has changed, and transfer metadata only."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from kelvin_provision.cluster.kubernetes.api.errors import Rejected
from kelvin_provision.cluster.kubernetes.api.reflector import RetryDelays, Selection, reflecting
from kelvin_provision.cluster.kubernetes.api.store import WatchEvent
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.labels import OWNER
from kelvin_provision.errors import ClusterDenied, ClusterRefused, ClusterUnreachable
from kelvin_provision.retry import doubled

KINDS = (("apps/v1", "Deployment"), ("apps/v1", "StatefulSet"), ("apps/v1", "DaemonSet"), ("batch/v1", "Job"), ("v1", "Pod"))
"""The kinds that an observation depends on. ConfigMaps have no status, and an Event that matters changes its pod as well."""

DELAYS = RetryDelays()


def changes(api: Api, namespace: str, stop: Callable[[], bool], *, delays: RetryDelays = DELAYS, tick: float = 0.5) -> Iterator[bool]:
    """See protocol.Cluster.watch. `stop` is called every `tick` seconds."""
    yield from _until_reachable(api, stop, delays, tick)
    changed = threading.Event()
    errors: list[WatchEvent] = []

    def receive(event: WatchEvent) -> None:
        if event.error is not None:
            errors.append(event)
        changed.set()

    selections = [Selection(version, kind, namespace, selector=OWNER, metadata=True) for version, kind in KINDS]
    if stop():
        return
    with reflecting(api, selections, receive, delays):
        while not stop():
            is_changed = changed.wait(tick)
            if is_changed:
                changed.clear()
            if errors:
                _raise(errors[0])
            yield is_changed


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
