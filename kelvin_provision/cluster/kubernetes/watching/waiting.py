"""Waits for rollouts: reflectors feed a store, and every change is judged at once."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from kelvin_provision.cluster.health import Health, Phase, WaitPolicy
from kelvin_provision.cluster.kubernetes.api.errors import WARNINGS
from kelvin_provision.cluster.kubernetes.api.reflector import RetryDelays, Selection, reflecting
from kelvin_provision.cluster.kubernetes.api.store import Store, WatchEvent
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.inventory import selector
from kelvin_provision.cluster.kubernetes.judge.rollout import Rollout, watched_kinds
from kelvin_provision.cluster.kubernetes.render.objects import template_hash
from kelvin_provision.cluster.labels import OWNER
from kelvin_provision.events import Finished, Progress, Started
from kelvin_provision.spec.workload import Object

TICK = 0.25
"""Seconds between two judgements if no event comes: failures and settling also depend on time."""

DELAYS = RetryDelays(cap=1.0)
"""With a short cap: a user is waiting for the server to come back."""

Desired = Mapping[str, Sequence[Object]]
Events = queue.SimpleQueue[WatchEvent]


@dataclass(frozen=True)
class WaitCallbacks:
    """`progress` receives the start and the end of each rollout; `stop` ends the wait."""

    progress: Progress
    stop: Callable[[], bool]


def wait(
    api: Api, namespace: str, desired: Desired, policy: WaitPolicy, callbacks: WaitCallbacks, *, whole: Desired | None = None
) -> dict[str, Health]:
    """See protocol.Cluster.wait."""
    events: Events = queue.SimpleQueue()
    templates = {workload: frozenset(filter(None, map(template_hash, objects))) for workload, objects in (whole or desired).items()}
    rollouts = [Rollout(workload, objects, policy, templates) for workload, objects in desired.items()]
    with reflecting(api, [_selection(namespace, *kind) for kind in watched_kinds(desired, namespace)], events.put, DELAYS):
        return _follow(events, rollouts, policy, callbacks)


def _selection(home: str, api_version: str, kind: str, namespace: str) -> Selection:
    if kind == "Event":  # events do not carry our label
        return Selection(api_version, kind, namespace, fields=WARNINGS)
    return Selection(api_version, kind, namespace or None, selector=selector(home, namespace) if namespace else OWNER)


def _follow(events: Events, rollouts: Sequence[Rollout], policy: WaitPolicy, callbacks: WaitCallbacks) -> dict[str, Health]:
    store, deadline = Store(), time.monotonic() + policy.timeout
    reported: set[str] = set()
    for rollout in rollouts:
        callbacks.progress(Started(rollout.workload, "starting"))
    while True:
        _receive(events, store)
        now = time.monotonic()
        healths = {rollout.workload: rollout.health(store, now) for rollout in rollouts}
        for workload, health in healths.items():
            if health.phase is not Phase.WAITING and workload not in reported:
                reported.add(workload)
                callbacks.progress(Finished(workload, _word(health), health.why))
        phases = {health.phase for health in healths.values()}
        if phases <= {Phase.READY} or Phase.FAILED in phases or callbacks.stop():
            return healths
        if now >= deadline:
            unreachable = next(iter(store.unreachable.values()), "")
            return {
                workload: Health(health.phase, "; ".join(filter(None, (health.why, unreachable)))) for workload, health in healths.items()
            }


def _word(health: Health) -> str:
    """One that is up and has a reason is up with pods of the previous version."""
    if health.phase is Phase.FAILED:
        return "failed"
    return "applied" if health.why else "running"


def _receive(events: Events, store: Store) -> None:
    """Wait up to a tick for the next event, then apply all that have arrived."""
    try:
        store.apply(events.get(timeout=TICK))
        while True:
            store.apply(events.get_nowait())
    except queue.Empty:
        return
