"""Reflectors, as in client-go: each lists one kind, watches it from that resourceVersion, and starts over when the watch ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from kelvin_provision.cluster.kubernetes.api.client import Watch
from kelvin_provision.cluster.kubernetes.api.errors import Rejected, ResourceExpired, ServerBusy
from kelvin_provision.cluster.kubernetes.api.store import WatchEvent
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.errors import ClusterUnreachable, ProvisionError
from kelvin_provision.retry import doubled


@dataclass(frozen=True)
class Selection:
    """The objects that are watched. With `metadata` the server sends metadata only."""

    api_version: str
    kind: str
    namespace: str | None
    selector: str = ""
    fields: str = ""
    metadata: bool = False


@dataclass(frozen=True)
class RetryDelays:
    """In seconds. `relist`: before the next list after the server has ended a watch. `first` and `cap`: between two tries to reach an
    unreachable server, doubled each time.
    """

    relist: float = 0.2
    first: float = 0.5
    cap: float = 10.0


class Reflector(threading.Thread):
    """Calls `receive`, in this thread, for every list and every event. It retries an unreachable server and ends when it is rejected.

    No change is missed between a list and the watch that follows it.
    """

    def __init__(self, api: Api, selection: Selection, receive: Callable[[WatchEvent], None], delays: RetryDelays) -> None:
        super().__init__(daemon=True, name=f"watch {selection.kind}")
        self._api, self._selection, self._receive, self._delays = api, selection, receive, delays
        self._closed = threading.Event()
        self._watch: Watch | None = None

    def run(self) -> None:
        delay, kind, namespace = self._delays.first, self._selection.kind, self._selection.namespace or ""
        while not self._closed.is_set():
            try:
                self._list_and_watch()
                delay = self._delays.first
                self._closed.wait(self._delays.relist)
            except ResourceExpired:
                self._closed.wait(self._delays.relist)
            except (ServerBusy, ClusterUnreachable) as error:
                if self._closed.is_set():  # `close` has broken the connection
                    return
                self._receive(WatchEvent(kind, unreachable=str(error), namespace=namespace))
                self._closed.wait(delay)
                delay = doubled(delay, self._delays.cap)
            except (ProvisionError, Rejected) as error:
                if not self._closed.is_set():
                    self._receive(WatchEvent(kind, error=error, namespace=namespace))
                return

    def _list_and_watch(self) -> None:
        selection, namespace = self._selection, self._selection.namespace or ""
        items, version = self._api.list_for_watch(
            selection.api_version, selection.kind, selection.namespace, selection.selector, selection.fields, metadata=selection.metadata
        )
        self._receive(WatchEvent(selection.kind, listed=tuple(items), namespace=namespace))
        self._watch = self._api.watch(
            selection.api_version,
            selection.kind,
            selection.namespace,
            version,
            selector=selection.selector,
            fields=selection.fields,
            metadata=selection.metadata,
        )
        if self._closed.is_set():  # closed while the watch was being opened
            self._watch.close()
        for change, item in self._watch:
            if change != "BOOKMARK":
                self._receive(WatchEvent(selection.kind, changed=(change, item), namespace=namespace))

    def close(self) -> None:
        self._closed.set()
        if self._watch is not None:
            self._watch.close()


@contextmanager
def reflecting(api: Api, selections: Sequence[Selection], receive: Callable[[WatchEvent], None], delays: RetryDelays) -> Iterator[None]:
    """Run a reflector for each selection, and close them at the end."""
    for selection in selections:  # discover once, rather than in every thread at the same time
        api.namespaced(selection.api_version, selection.kind)
    reflectors = [Reflector(api, selection, receive, delays) for selection in selections]
    for reflector in reflectors:
        reflector.start()
    try:
        yield
    finally:
        for reflector in reflectors:
            reflector.close()
