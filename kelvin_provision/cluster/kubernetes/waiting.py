"""Waiting until all are up, or one is down for good: one watch a kind, each in a thread of its own, judged as events come.

The watches only carry documents here; what they mean is said by `readiness` and `troubles`.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from kelvin_provision.cluster.kubernetes.api.client import Watch
from kelvin_provision.cluster.kubernetes.api.errors import WARNINGS, Rejected, ResourceExpired, ServerBusy
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.judge.failures import fresh, refusals, statuses, troubles
from kelvin_provision.cluster.kubernetes.judge.readiness import JUDGES, health
from kelvin_provision.cluster.kubernetes.render.objects import CLUSTER_SCOPED, Key, owner, template_hash
from kelvin_provision.cluster.labels import OWNER
from kelvin_provision.cluster.plan import describe
from kelvin_provision.cluster.protocol import Health, Phase, WaitPolicy
from kelvin_provision.errors import ClusterUnreachable, ProvisionError
from kelvin_provision.events import Finished, Progress, Started
from kelvin_provision.spec.workload import Object

TICK = 0.25
"""Seconds after which the clock is looked at even if nothing happened."""

PAUSE = 0.5


@dataclass(frozen=True)
class WaitCallbacks:
    """Who wants to hear of it, and who may end it."""

    progress: Progress
    stop: Callable[[], bool]


@dataclass(frozen=True)
class WatchEvent:
    """What a feed has to say: a whole list, one event, or an error that ends the wait."""

    kind: str
    listed: tuple[Object, ...] | None = None
    event: tuple[str, Object] | None = None
    silent: str = ""
    error: Exception | None = None


class Reflector(threading.Thread):
    """One kind, listed and then watched from there, again and again until closed. A silent server is not the end."""

    def __init__(self, api: Api, kind: tuple[str, str], namespace: str | None, news: queue.SimpleQueue[WatchEvent]) -> None:
        super().__init__(daemon=True, name=f"watch {kind[1]}")
        self._api, self._kind, self._namespace, self._news = api, kind, namespace, news
        self._fields = WARNINGS if kind[1] == "Event" else ""
        self._selector = "" if kind[1] == "Event" else OWNER
        self._closed = threading.Event()
        self._watch: Watch | None = None

    def run(self) -> None:
        """List, watch, and over again when the server ends it."""
        while not self._closed.is_set():
            try:
                self._once()
            except (ResourceExpired, ServerBusy):
                continue
            except ClusterUnreachable as error:
                if not self._closed.wait(PAUSE):
                    self._news.put(WatchEvent(self._kind[1], silent=str(error)))
            except (ProvisionError, Rejected) as error:
                self._news.put(WatchEvent(self._kind[1], error=error))
                return

    def _once(self) -> None:
        items, version = self._api.list_for_watch(*self._kind, self._namespace, self._selector, self._fields)
        self._news.put(WatchEvent(self._kind[1], listed=tuple(items)))
        self._watch = self._api.watch(*self._kind, self._namespace, version, selector=self._selector, fields=self._fields)
        if self._closed.is_set():
            self._watch.close()
        for event in self._watch:
            if event[0] != "BOOKMARK":
                self._news.put(WatchEvent(self._kind[1], event=event))

    def close(self) -> None:
        """End the thread now."""
        self._closed.set()
        if self._watch is not None:
            self._watch.close()


@dataclass
class View:
    """What is known of the cluster now."""

    objects: dict[str, dict[str, Object]] = field(default_factory=dict)
    silent: dict[str, str] = field(default_factory=dict)

    def take(self, news: WatchEvent) -> None:
        """Learn one thing."""
        if news.error is not None:
            raise news.error
        if news.silent:
            self.silent[news.kind] = news.silent
            return
        self.silent.pop(news.kind, None)
        if news.listed is not None:
            self.objects[news.kind] = {item["metadata"]["name"]: item for item in news.listed}
        if news.event is not None:
            happened, item = news.event
            known = self.objects.setdefault(news.kind, {})
            if happened == "DELETED":
                known.pop(item["metadata"]["name"], None)
            else:
                known[item["metadata"]["name"]] = {"kind": news.kind} | item

    def all(self, kind: str) -> list[Object]:
        """Every object of a kind that is known."""
        return list(self.objects.get(kind, {}).values())


class Judge:
    """One workload on its way up: remembers since when it doubts and since when all was well."""

    def __init__(self, name: str, objects: Sequence[Object], patience: WaitPolicy) -> None:
        self.name = name
        self._objects = [item for item in objects if item["kind"] in JUDGES]
        self._patience = patience
        self._doubts: dict[str, float] = {}
        self._steady: tuple[int, float] | None = None

    def look(self, view: View, now: float) -> Health:
        """Three answers, with the clock in hand."""
        pods = [pod for pod in view.all("Pod") if owner(pod) == self.name]
        waiting: Health | None = None
        running: list[Object] = []
        told: dict[str, str] = {}
        for item in self._objects:
            key = Key.of(item)
            live = view.objects.get(key.kind, {}).get(key.name)
            found = health(live) if live else Health(Phase.WAITING, f"{describe(item)}: not there yet")
            if found.phase is Phase.FAILED:
                return self._failed(found, pods, view)
            mine = [live] if live and key.kind == "Pod" else fresh(pods, template_hash(item)) if template_hash(item) else []
            running += mine
            if found.phase is Phase.READY or live is None:
                waiting = waiting or (found if live is None else None)
                continue
            waiting = waiting or found
            for trouble in (*refusals(live, view.all("Event")), *troubles(mine, view.all("Event"), self._patience)):
                if trouble.final:
                    return Health(Phase.FAILED, trouble.why)
                told[trouble.key] = trouble.why
        return self._passing(told, now) or (self._not_yet(waiting, told) if waiting else self._settled(running, now))

    def _failed(self, found: Health, pods: Sequence[Object], view: View) -> Health:
        """With the pod's own reason when there is one: `deadline exceeded` alone helps nobody."""
        reasons = [trouble.why for trouble in troubles(pods, view.all("Event"), self._patience)]
        return Health(Phase.FAILED, "; ".join([found.why, *reasons[:1]]))

    def _passing(self, told: Mapping[str, str], now: float) -> Health | None:
        """A trouble that time may heal, and did not."""
        self._doubts = {key: self._doubts.get(key, now) for key in told}
        for key, since in self._doubts.items():
            if now - since >= self._patience.unschedulable:
                return Health(Phase.FAILED, told[key])
        return None

    def _not_yet(self, waiting: Health, told: Mapping[str, str]) -> Health:
        self._steady = None
        return Health(Phase.WAITING, next(iter(told.values()), waiting.why))

    def _settled(self, pods: Sequence[Object], now: float) -> Health:
        """Ready. What the cluster does not hold to its `minReadySeconds` itself is held to ours: no restart for that long."""
        if not pods or all(self._held(item) for item in self._objects):
            return Health(Phase.READY)
        restarts = sum(int(status.get("restartCount", 0)) for pod in pods for status in statuses(pod))
        if self._steady is None or self._steady[0] != restarts:
            self._steady = (restarts, now)
        left = self._patience.settle - (now - self._steady[1])
        return Health(Phase.READY) if left <= 0 else Health(Phase.WAITING, f"{self.name}: up, settling for {left:.0f} more seconds")

    def _held(self, item: Object) -> bool:
        if item["kind"] in {"Job", "CustomResourceDefinition", "PersistentVolumeClaim"}:
            return True
        return item["kind"] == "Deployment" and (item["spec"].get("minReadySeconds") or 0) >= self._patience.settle


def kinds_of(wanted: Mapping[str, Sequence[Object]]) -> dict[tuple[str, str], None]:
    """What must be watched, each once."""
    judged = [(item["apiVersion"], item["kind"]) for objects in wanted.values() for item in objects if item["kind"] in JUDGES]
    return dict.fromkeys([*judged, ("v1", "Pod"), ("v1", "Event")])


def wait(
    api: Api,
    namespace: str,
    wanted: Mapping[str, Sequence[Object]],
    patience: WaitPolicy,
    ears: WaitCallbacks,
) -> dict[str, Health]:
    """See protocol.Cluster.wait."""
    news: queue.SimpleQueue[WatchEvent] = queue.SimpleQueue()
    kinds = kinds_of(wanted)
    for kind in kinds:  # discovery is not made for several threads
        api.namespaced(*kind)
    feeds = [Reflector(api, kind, None if kind[1] in CLUSTER_SCOPED else namespace, news) for kind in kinds]
    for feed in feeds:
        feed.start()
    try:
        return _judged(news, [Judge(name, objects, patience) for name, objects in wanted.items()], patience, ears)
    finally:
        for feed in feeds:
            feed.close()


def _judged(news: queue.SimpleQueue[WatchEvent], judges: Sequence[Judge], patience: WaitPolicy, ears: WaitCallbacks) -> dict[str, Health]:
    view, deadline = View(), time.monotonic() + patience.timeout
    told: set[str] = set()
    for judge in judges:
        ears.progress(Started(judge.name, "starting"))
    while True:
        _learn(news, view)
        now = time.monotonic()
        found = {judge.name: judge.look(view, now) for judge in judges}
        for name, answer in found.items():
            if answer.phase is not Phase.WAITING and name not in told:
                told.add(name)
                ears.progress(Finished(name, "running" if answer.phase is Phase.READY else "failed", answer.why))
        phases = {answer.phase for answer in found.values()}
        if phases <= {Phase.READY} or Phase.FAILED in phases or ears.stop():
            return found
        if now >= deadline:
            silent = next(iter(view.silent.values()), "")
            return {name: Health(answer.phase, "; ".join(filter(None, (answer.why, silent)))) for name, answer in found.items()}


def _learn(news: queue.SimpleQueue[WatchEvent], view: View) -> None:
    """Wait a moment for the next piece of news, then take all that are there."""
    try:
        view.take(news.get(timeout=TICK))
        while True:
            view.take(news.get_nowait())
    except queue.Empty:
        return
