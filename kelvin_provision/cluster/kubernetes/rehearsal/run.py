"""One rehearsal on Kubernetes, from the look at what is free to the last object taken away."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from kelvin_provision.cluster.health import Health, Phase
from kelvin_provision.cluster.kubernetes.api.errors import WARNINGS, Rejected
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.judge.capacity import resource_demands
from kelvin_provision.cluster.kubernetes.judge.failures import container_statuses
from kelvin_provision.cluster.kubernetes.reading.evidence import container_log, pod_evidence
from kelvin_provision.cluster.kubernetes.rehearsal import cleaning, isolation, network, policies
from kelvin_provision.cluster.kubernetes.rehearsal.judge import PodTrial
from kelvin_provision.cluster.kubernetes.rehearsal.objects import Places, RehearsalSet, rehearsal_set
from kelvin_provision.cluster.kubernetes.rehearsal.pods import held_back, release
from kelvin_provision.cluster.kubernetes.render.objects import namespace_of
from kelvin_provision.cluster.kubernetes.render.secrets import fill_secrets
from kelvin_provision.cluster.protocol import Lookup
from kelvin_provision.cluster.rehearsal import RehearsalTerms, Rehearsed, ended, failed, not_possible, shortage
from kelvin_provision.errors import ClusterDenied
from kelvin_provision.events import Finished, Progress, Started
from kelvin_provision.spec.workload import Object
from kelvin_provision.status import RehearsalOutcome

TICK = 0.2


@dataclass(frozen=True)
class Box:
    """`home` is the namespace of the box, `node` its name in the cluster."""

    api: Api
    home: str
    node: str


def rehearse(
    box: Box,
    workload: str,
    objects: Sequence[Object],
    terms: RehearsalTerms,
    lookup: Lookup,
    *,
    progress: Progress,
    stop: Callable[[], bool],
) -> Rehearsed:
    """See protocol.Cluster.rehearse."""
    made = rehearsal_set(workload, objects, terms, _places(box, objects))
    if nothing := not_possible([*made.obstacles, *_shortages(box, made), *_open(box, workload, made, terms)]):
        return nothing
    made = replace(made, support=tuple(fill_secrets(item, lookup) for item in made.support))
    cleaning.clean(box.api, box.home)
    progress(Started(workload, "rehearsing"))
    try:
        result = _run(box, workload, made, terms, stop)
    finally:
        cleaning.clean(box.api, box.home)
    progress(Finished(workload, f"rehearsal {result.outcome}", result.reason))
    return result


def _run(box: Box, workload: str, made: RehearsalSet, terms: RehearsalTerms, stop: Callable[[], bool]) -> Rehearsed:
    api = box.api
    try:
        for item in (*made.namespaces, *made.support):
            api.create(item, item["metadata"].get("namespace") or "")
        denying = [policies.deny_all(workload, box.home, namespace) for namespace in sorted({namespace_of(pod) for pod in made.pods})]
        seen: bool | None = None
        if terms.allow_network:
            pods = [api.create(pod, namespace_of(pod)) for pod in made.pods]
        elif not network.can_enter():  # the policy is there before any pod, and was seen to hold on this cluster
            for policy in denying:
                api.create(policy, policy["metadata"]["namespace"])
            pods = [api.create(pod, namespace_of(pod)) for pod in made.pods]
        else:
            pods = [api.create(held_back(pod), namespace_of(pod)) for pod in made.pods]
            cut = isolation.cut_off(api, pods, denying, stop)
            if cut.reason:
                return ended() if stop() else Rehearsed(RehearsalOutcome.NOT_POSSIBLE, cut.reason, isolated=cut.enforced)
            seen = cut.enforced
            for pod, live in zip(made.pods, pods, strict=True):
                api.json_patch(live | {"apiVersion": "v1", "kind": "Pod"}, namespace_of(pod), release(pod, live))
        return replace(_hold(api, made, terms, stop), isolated=seen)
    except Rejected as error:  # a quota that two pods exceed, a rule about labels: of the true pod this says nothing
        return Rehearsed(RehearsalOutcome.NOT_POSSIBLE, f"the cluster refuses the pod of the rehearsal: {error}")


def _hold(api: Api, made: RehearsalSet, terms: RehearsalTerms, stop: Callable[[], bool]) -> Rehearsed:
    trials = {pod["metadata"]["name"]: PodTrial(pod["metadata"]["name"] in made.finite, terms.policy) for pod in made.pods}
    deadline = time.monotonic() + terms.policy.timeout
    while True:
        live = {pod["metadata"]["name"]: api.get("v1", "Pod", pod["metadata"]["name"], namespace_of(pod)) for pod in made.pods}
        events = [] if all(map(_is_up, live.values())) else _events(api, made)
        now = time.monotonic()
        health = {name: trials[name].look(pod, events, now) for name, pod in live.items()}
        bad = {name: state for name, state in health.items() if state.phase is Phase.FAILED}
        late = {name: state for name, state in health.items() if state.phase is Phase.WAITING}
        if not bad and not late:
            return Rehearsed(RehearsalOutcome.OK)
        if bad or now >= deadline:
            return _failure(made, bad or late, tuple(_evidence(api, [live[name] for name in bad or late], events)), trials)
        if stop():
            return ended()
        time.sleep(TICK)


def _failure(made: RehearsalSet, health: dict[str, Health], evidence: tuple[str, ...], trials: dict[str, PodTrial]) -> Rehearsed:
    many = len(made.pods) > 1
    why = "; ".join(f"{name}: {_why(state)}" if many else _why(state) for name, state in health.items())
    if all(trials[name].unscheduled for name in health):
        return Rehearsed(RehearsalOutcome.NOT_POSSIBLE, f"no node takes it now: {why}", evidence)
    return failed(why, evidence, made.emptied)


def _why(state: Health) -> str:
    return state.why if state.phase is Phase.FAILED else f"not up in time: {state.why}"


def _evidence(api: Api, pods: Sequence[Object | None], events: list[Object]) -> Iterator[str]:
    for pod in filter(None, pods):
        yield from pod_evidence(pod, events)
        for status in container_statuses(pod):
            yield from container_log(api, namespace_of(pod), pod["metadata"]["name"], status)


def _is_up(pod: Object | None) -> bool:
    statuses = list(container_statuses(pod or {}))
    return bool(statuses) and all((status.get("state") or {}).get("running") for status in statuses)


def _events(api: Api, made: RehearsalSet) -> list[Object]:
    places = sorted({namespace_of(pod) for pod in made.pods})
    return [event for place in places for event in api.list_objects("v1", "Event", place, fields=WARNINGS)]


# --- before anything is made -----------------------------------------------------------------------


def _places(box: Box, objects: Sequence[Object]) -> Places:
    """A namespace that does not exist yet is made under another name, and goes with the rehearsal: an apply is to find it as it was."""
    names = {namespace_of(item) or box.home for item in objects} - {""}
    missing = {name for name in names if box.api.get("v1", "Namespace", name) is None}
    claims = [(name, claim["metadata"]["name"]) for name in sorted(names - missing) for claim in _claims(box.api, name)]
    return Places(box.home, {name: f"{name[:52]}-rehearsal" for name in missing}, frozenset(claims))


def _claims(api: Api, namespace: str) -> list[Object]:
    return api.list_objects("v1", "PersistentVolumeClaim", namespace, metadata=True)


def _shortages(box: Box, made: RehearsalSet) -> Iterator[str]:
    """By what running pods request; where these cannot be listed, the scheduler decides."""
    try:
        node = box.api.get("v1", "Node", box.node) or {}
        pods = box.api.list_objects("v1", "Pod", None, fields=f"spec.nodeName={box.node}")
    except ClusterDenied:
        return
    for demand in resource_demands({"": made.pods}, pods, node):
        if text := shortage(*demand):
            yield text


def _open(box: Box, workload: str, made: RehearsalSet, terms: RehearsalTerms) -> Iterator[str]:
    """Why the pods would not be cut off, as far as that is known before they are made."""
    if terms.allow_network or made.obstacles:
        return
    if not network.can_enter() and not terms.proven:
        yield isolation.NOT_SEEN
    new = {item["metadata"]["name"] for item in made.namespaces}
    for namespace in sorted({namespace_of(pod) for pod in made.pods} - new):
        yield from policies.openings(box.api.list_objects(policies.API_VERSION, "NetworkPolicy", namespace), workload, box.home)
