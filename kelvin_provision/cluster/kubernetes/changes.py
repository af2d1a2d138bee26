"""Hearing that something has changed, without asking: one watch a kind for the agent, of names and versions only."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from kelvin_provision.cluster.kubernetes.api.client import Watch
from kelvin_provision.cluster.kubernetes.api.errors import Rejected, ResourceExpired, ServerBusy
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.labels import OWNER
from kelvin_provision.errors import ClusterDenied, ClusterRefused, ClusterUnreachable, ProvisionError

KINDS = (("apps/v1", "Deployment"), ("apps/v1", "StatefulSet"), ("apps/v1", "DaemonSet"), ("batch/v1", "Job"), ("v1", "Pod"))
"""What an observation is made of. A ConfigMap does nothing, and an Event that matters changes its pod as well."""
TICK = 0.5
FIRST, MOST = 0.5, 10.0
"""Seconds between two tries to reach a cluster that is away."""
BREATH = 0.2
"""Seconds after the server has ended a watch: one that always does must not be asked all the time."""


def changes(api: Api, namespace: str, stop: Callable[[], bool]) -> Iterator[bool]:
    """See protocol.Cluster.watch."""
    yield from _reaching(api, stop)
    news = threading.Event()
    listeners = [Listener(api, kind, namespace, news) for kind in KINDS]
    for listener in listeners:
        listener.start()
    try:
        while not stop():
            changed = news.wait(TICK)
            if changed:
                news.clear()
            for listener in listeners:
                if listener.error is not None:
                    raise listener.error
            yield changed
    finally:
        for listener in listeners:
            listener.close()


def _reaching(api: Api, stop: Callable[[], bool]) -> Iterator[bool]:
    """Until it answers. All kinds are learned of here, in one thread: discovery is not made for several."""
    pause, until = FIRST, 0.0
    while not stop():
        if time.monotonic() >= until:
            try:
                for kind in KINDS:
                    api.namespaced(*kind)
            except ClusterUnreachable:
                until, pause = time.monotonic() + pause, min(pause * 2, MOST)
                yield True
                continue
            except Rejected as error:
                raise ClusterRefused(f"watching: {error}") from error
            return
        yield False
        time.sleep(TICK)


class Listener(threading.Thread):
    """One kind, listed and then watched from there, again and again until closed. Contents are not asked for."""

    def __init__(self, api: Api, kind: tuple[str, str], namespace: str, news: threading.Event) -> None:
        super().__init__(daemon=True, name=f"changes {kind[1]}")
        self._api, self._kind, self._namespace, self._news = api, kind, namespace, news
        self._closed = threading.Event()
        self._watch: Watch | None = None
        self.error: ProvisionError | None = None

    def run(self) -> None:
        """A server that ends the watch, or that has forgotten our version, is listed at once; one that is away is waited for."""
        pause = FIRST
        while not self._closed.is_set():
            try:
                self._once()
                pause = FIRST
                self._closed.wait(BREATH)
            except ResourceExpired:
                self._closed.wait(BREATH)
            except (ServerBusy, ClusterUnreachable):
                self._news.set()
                self._closed.wait(pause)
                pause = min(pause * 2, MOST)
            except ClusterDenied as error:
                self._end(error)
                return
            except (ProvisionError, Rejected) as error:
                self._end(ClusterRefused(f"watching {self._kind[1]}: {error}"))
                return

    def _end(self, error: ProvisionError) -> None:
        if not self._closed.is_set():
            self.error = error
            self._news.set()

    def _once(self) -> None:
        _, version = self._api.list_for_watch(*self._kind, self._namespace, OWNER, metadata=True)
        # After the list and before the first event: whoever looks now sees everything up to here, and hears of all that follows.
        self._news.set()
        self._watch = self._api.watch(*self._kind, self._namespace, version, selector=OWNER, metadata=True)
        if self._closed.is_set():
            self._watch.close()
        for happened, _ in self._watch:
            if happened != "BOOKMARK":
                self._news.set()

    def close(self) -> None:
        """End the thread now."""
        self._closed.set()
        if self._watch is not None:
            self._watch.close()
