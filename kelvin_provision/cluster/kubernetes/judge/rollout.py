"""Judges a rollout over time: how long failures that may pass have lasted, and how long the pods have been stable. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

from kelvin_provision.cluster.health import Health, Phase, WaitPolicy
from kelvin_provision.cluster.kubernetes.api.store import Store
from kelvin_provision.cluster.kubernetes.judge.failures import (
    SCHEDULING,
    Failure,
    container_statuses,
    controller_failures,
    current_pods,
    pod_failures,
)
from kelvin_provision.cluster.kubernetes.judge.observation import is_alive
from kelvin_provision.cluster.kubernetes.judge.outdated import left_to_do
from kelvin_provision.cluster.kubernetes.judge.readiness import JUDGES, READY, health
from kelvin_provision.cluster.kubernetes.render.objects import CLUSTER_SCOPED, namespace_of, owner, template_hash, template_of
from kelvin_provision.cluster.plan import describe
from kelvin_provision.spec.workload import Object

JOB_FAILURES = frozenset({"BackoffLimitExceeded", "DeadlineExceeded", "PodFailurePolicy", "FailedIndexes", "MaxFailedIndexesExceeded"})
"""Reasons of the warning with which a Job ends that has failed."""

SETTLES_ITSELF = frozenset({"Job", "CustomResourceDefinition", "PersistentVolumeClaim"})


def watched_kinds(desired: Mapping[str, Sequence[Object]], home: str) -> list[tuple[str, str, str]]:
    """Return API version, kind and namespace (empty: the cluster's) of everything that must be watched to judge these objects."""
    judged = [item for objects in desired.values() for item in objects if item["kind"] in JUDGES]
    kinds = [(item["apiVersion"], item["kind"], "" if item["kind"] in CLUSTER_SCOPED else namespace_of(item) or home) for item in judged]
    places = dict.fromkeys([home, *(namespace for _, _, namespace in kinds if namespace)])
    return list(dict.fromkeys([*kinds, *(("v1", kind, place) for place in places for kind in ("Pod", "Event"))]))


def _judged(item: Object, live: Object, store: Store) -> Health:
    """Not ready before its pods are listed: how long they have been up is unknown until then."""
    verdict = health(live)
    if verdict.phase is Phase.READY and template_of(item) is not None and not store.is_listed("Pod", namespace_of(item)):
        return Health(Phase.WAITING, f"{describe(item)}: its pods are not listed yet")
    return verdict


def _unreachable(store: Store) -> Health | None:
    """What was seen before the server went away may no longer be so."""
    return Health(Phase.WAITING, next(iter(store.unreachable.values()))) if store.unreachable else None


def _finished_job(item: Object, store: Store) -> Object | None:
    """The last state of a Job that has finished and is gone: its TTL removes it, maybe before the wait has begun."""
    name, namespace = item["metadata"]["name"], namespace_of(item)
    if item["kind"] != "Job":
        return None
    last = store.last("Job", name, namespace)
    if last is None and store.is_listed("Job", namespace) and (item.get("spec") or {}).get("ttlSecondsAfterFinished") is not None:
        # We have put it there, so it has ended; of a failure a warning is left.
        events = [event for event in store.all("Event") if _involves(event, "Job", name, namespace)]
        failures = [event for event in events if event.get("reason") in JOB_FAILURES]
        condition = {"type": "Failed", **failures[-1]} if failures else {"type": "Complete"}
        return item | {"status": {"conditions": [condition | {"status": "True"}]}}
    return last if last is not None and health(last).phase is not Phase.WAITING else None


def _involves(event: Object, kind: str, name: str, namespace: str) -> bool:
    involved = event.get("involvedObject") or {}
    return (involved.get("kind"), involved.get("name"), involved.get("namespace", namespace)) == (kind, name, namespace)


Templates = Mapping[str, Collection[str]]
"""Hashes of pod templates by workload."""

NO_TEMPLATES: Templates = MappingProxyType({})


class Rollout:
    """The rollout of one workload; `others` are those that are applied together with it.

    Remembers between calls how long each failure has lasted and since when no pod has restarted.
    """

    def __init__(self, workload: str, objects: Sequence[Object], policy: WaitPolicy, others: Templates = NO_TEMPLATES) -> None:
        self.workload = workload
        self._others = others
        self._objects = [item for item in objects if item["kind"] in JUDGES]
        self._policy = policy
        self._failing_since: dict[str, float] = {}
        self._stable: tuple[int, float] | None = None
        """The number of restarts of all pods, and since when it has not changed."""

    def health(self, store: Store, now: float) -> Health:
        pods = [pod for pod in store.all("Pod") if owner(pod) == self.workload]
        waiting: Health | None = None
        unfinished: list[str] = []
        current: list[Object] = []
        passing: dict[str, Failure] = {}
        for item in self._objects:
            live = store.get(item["kind"], item["metadata"]["name"], namespace_of(item)) or _finished_job(item, store)
            if live is None:
                waiting = waiting or Health(Phase.WAITING, f"{describe(item)}: not created yet")
                continue
            item_health = _judged(item, live, store)
            item_pods = self._pods_of(item, live, pods)
            current += item_pods
            if item_health.phase is Phase.FAILED:
                return self._failed(item_health, pods, store)
            if item_health.phase is Phase.READY:
                unfinished.append(left_to_do(live, pods))
                continue
            waiting = waiting or item_health
            events = store.all("Event")
            for failure in (*controller_failures(live, events), *pod_failures(item_pods, events, self._policy)):
                if failure.final:
                    return Health(Phase.FAILED, failure.why)
                passing[failure.key] = failure
        if self._pods_are_leaving(store):  # and give back ports, volumes and room that the new ones wait for
            passing = {key: failure for key, failure in passing.items() if not key.endswith(SCHEDULING)}
        if overdue := self._overdue(passing, now):
            return Health(Phase.FAILED, overdue)
        waiting = waiting or _unreachable(store)
        if waiting:
            self._stable = None
            return Health(Phase.WAITING, next((failure.why for failure in passing.values()), waiting.why))
        settled = self._settled(current, now)
        return Health(settled.phase, "; ".join(filter(None, unfinished))) if settled.phase is Phase.READY else settled

    @staticmethod
    def _pods_of(item: Object, live: Object, pods: Sequence[Object]) -> list[Object]:
        if live["kind"] == "Pod":
            return [live]
        return current_pods(pods, item) if template_hash(item) else []

    def _failed(self, item_health: Health, pods: Sequence[Object], store: Store) -> Health:
        """Add a pod's own reason, if there is one: `deadline exceeded` alone does not help."""
        reasons = [failure.why for failure in pod_failures(pods, store.all("Event"), self._policy)]
        return Health(Phase.FAILED, "; ".join([item_health.why, *reasons[:1]]))

    def _pods_are_leaving(self, store: Store) -> bool:
        """Whether a pod is being deleted, or one of another workload that is applied together with this one is going to be."""
        return any(pod["metadata"].get("deletionTimestamp") or self._is_replaced(pod) for pod in store.all("Pod") if is_alive(pod))

    def _is_replaced(self, pod: Object) -> bool:
        workload = owner(pod) or ""
        return workload != self.workload and workload in self._others and template_hash(pod) not in self._others[workload]

    def _overdue(self, passing: Mapping[str, Failure], now: float) -> str:
        """Return the first failure that has lasted too long."""
        self._failing_since = {key: self._failing_since.get(key, now) for key in passing}
        return next((failure.why for key, failure in passing.items() if now - self._failing_since[key] >= self._limit(failure)), "")

    def _limit(self, failure: Failure) -> float:
        return self._policy.volumes if failure.volume else self._policy.unschedulable

    def _settled(self, pods: Sequence[Object], now: float) -> Health:
        """All objects are ready. Where `minReadySeconds` does not do it, we wait for `settle` seconds without a restart."""
        if not pods or all(self._settles_itself(item) for item in self._objects):
            return READY
        restarts = sum(int(status.get("restartCount", 0)) for pod in pods for status in container_statuses(pod))
        if self._stable is None or self._stable[0] != restarts:
            self._stable = (restarts, now)
        left = self._policy.settle - (now - self._stable[1])
        return READY if left <= 0 else Health(Phase.WAITING, f"{self.workload}: ready, settling for {left:.0f} more seconds")

    def _settles_itself(self, item: Object) -> bool:
        min_ready = (item.get("spec") or {}).get("minReadySeconds") or 0
        return item["kind"] in SETTLES_ITSELF or (item["kind"] == "Deployment" and min_ready >= self._policy.settle)
