"""A cluster in memory. It passes the contract suite of the real ones.

Time does not pass in it: a wait whose timeout is shorter than its settle ends WAITING, any other ends at once.
"""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from kelvin_provision.cluster.health import Health, Phase, WaitPolicy
from kelvin_provision.cluster.kubernetes.render.placing import mark_of
from kelvin_provision.cluster.labels import OWNER, REVISION, SPEC_HASH
from kelvin_provision.cluster.lease import Lease, taken
from kelvin_provision.cluster.logs.lines import LogLine
from kelvin_provision.cluster.nodes import ClusterNode, Place
from kelvin_provision.cluster.plan import Change, Drift, Finding, Interruption, Op, Plan, describe
from kelvin_provision.cluster.protocol import UNSCALED, Lookup, Scale
from kelvin_provision.cluster.rehearsal import RehearsalTerms, Rehearsed, ended
from kelvin_provision.cluster.survey import ClusterInfo, ClusterState, Condition, ImageUse, Survey
from kelvin_provision.errors import ClusterUnreachable
from kelvin_provision.events import Finished, Progress, Started
from kelvin_provision.observation import Hold, Observation, Observed
from kelvin_provision.refs import Platform
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.references import fill, references_in
from kelvin_provision.spec.workload import Object, Spec
from kelvin_provision.status import RehearsalOutcome

SWAPPING = threading.Lock()
SEEN = "2026-01-02T03:04:05Z"


@dataclass
class FakeCluster:
    """`live` has the objects that were put, by workload and `Kind/name`. Tests set the other fields:

    broken              image or workload -> why it never comes up
    findings            findings of every plan, besides its own
    before              called with the verb and the workload before anything is done: raise here to play a crash or a lost connection
    foreign             workloads whose objects belong to something else
    unreachable         every verb raises ClusterUnreachable
    next_healths        workload -> the results of the next waits, in order
    serving             workload -> the image that answers: the old one until a wait has found the new one ready
    log_lines           image or workload -> the lines of its log; `previous_log_lines`: those of its previous run
    changed             wakes `watch`: set it yourself after changing a field
    stopped             workloads that were stopped and not put since
    drifts              what was changed on the cluster, besides objects that are gone
    interruptions       those of every plan that has changes of the workload
    holds               workload -> the hold that it asks for
    scaled              workload -> numbers of replicas that differ from those of its objects
    split               the waves of what is put; a single one by default
    rehearsed           workload -> the result of its next rehearsals, in place of what `broken` says; `rehearsal_terms`: of the last
    rehearsals          workloads of which a rehearsal has left something; `rehearsing` is called while one runs
    leases              the one lease, in a list that several fakes of one cluster may share
    site                its nodes, ours first; `marks` are those that were set, by node
    placing             workload -> the nodes that its pods may run on; all of them by default
    survey_result       the result of every survey; conditions, identity and namespace are those of the state
    """

    type: str = "fake"
    broken: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    before: Callable[[str, str], None] = lambda verb, workload: None
    foreign: set[str] = field(default_factory=set)
    unreachable: bool = False
    live: dict[str, dict[str, Object]] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    next_healths: dict[str, list[Health]] = field(default_factory=dict)
    serving: dict[str, str] = field(default_factory=dict)
    log_lines: dict[str, list[str]] = field(default_factory=dict)
    previous_log_lines: dict[str, list[str]] = field(default_factory=dict)
    changed: threading.Event = field(default_factory=threading.Event)
    stopped: set[str] = field(default_factory=set)
    drifts: list[Drift] = field(default_factory=list)
    interruptions: list[Interruption] = field(default_factory=list)
    holds: dict[str, Hold] = field(default_factory=dict)
    scaled: dict[str, Scale] = field(default_factory=dict)
    split: Callable[[Mapping[str, Sequence[Object]]], Sequence[Mapping[str, Sequence[Object]]]] = lambda desired: (desired,)
    rehearsed: dict[str, Rehearsed] = field(default_factory=dict)
    rehearsal_terms: RehearsalTerms | None = None
    rehearsals: set[str] = field(default_factory=set)
    rehearsing: Callable[[], None] = lambda: None
    survey_result: Survey = field(default_factory=Survey)
    conditions: tuple[Condition, ...] = (Condition("Ready", healthy=True),)
    identity: str = "the-fake"
    namespace: str = "Active"
    taken_ports: dict[int, str] = field(default_factory=dict)
    leases: list[Lease] = field(default_factory=lambda: [Lease()])
    site: tuple[ClusterNode, ...] = (ClusterNode("fake-node", Platform("linux", "amd64"), {}, "fake-node"),)
    marks: dict[str, frozenset[str]] = field(default_factory=dict)
    placing: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def info(self) -> ClusterInfo:
        self._enter("info")
        return ClusterInfo(self.type, "1.0", "fake-node", Platform("linux", "amd64"))

    def state(self) -> ClusterState:
        return ClusterState(self.info(), "fake://here", self.identity, self.conditions, self.namespace)

    def node_ports(self) -> Mapping[int, str]:
        return self.taken_ports

    def survey(self, desired: Mapping[str, Sequence[Object]]) -> Survey:
        self._enter("survey")
        images = {workload: item["spec"]["image"] for workload, objects in desired.items() for item in objects if "image" in item["spec"]}
        uses = tuple(ImageUse(name, f"Thing/{name}", image, "missing", pinned="@" in image) for name, image in images.items())
        return self.survey_result._replace(images=self.survey_result.images or uses)

    def nodes(self) -> tuple[ClusterNode, ...]:
        self._enter("nodes")
        marked = {node.name: dict.fromkeys(self.marks.get(node.name, ()), "fake") for node in self.site}
        return tuple(node._replace(labels={**node.labels, **marked[node.name]}, marks=tuple(marked[node.name])) for node in self.site)

    def places(self, desired: Mapping[str, Sequence[Object]]) -> tuple[Place, ...]:
        self._enter("places", *desired)
        everywhere = tuple(node.name for node in self.site)
        images = {
            workload: [str(item["spec"]["image"]) for item in objects if "image" in item["spec"]] for workload, objects in desired.items()
        }
        return tuple(
            Place(
                workload,
                f"Thing/{workload}",
                tuple(names),
                self.placing.get(workload.partition("/")[0], everywhere),
                mark_of(names, "fake"),
            )
            for workload, names in images.items()
            if names
        )

    def mark_nodes(self, marks: Mapping[str, Collection[str]]) -> None:
        self._enter("mark_nodes")
        self.marks = {name: frozenset(marks[name]) for name in (node.name for node in self.site) if marks.get(name)}

    def render(self, spec: Spec, locks: Sequence[ImageLock], revision: int, members: Collection[str] = frozenset()) -> tuple[Object, ...]:
        image = locks[0].pinned_reference if locks else spec.image
        environment = {item.name: item.value for item in spec.system.environment}
        secrets = [item.secret for item in spec.system.volumes]
        thing = {"image": image, "configuration": spec.configuration, "environment": environment, "secrets": secrets}
        if spec.manifests:
            return tuple(self._stamped(spec.name, revision, describe(item), {**item}) for item in spec.manifests)
        return (self._stamped(spec.name, revision, f"Thing/{spec.name}", thing),)

    def plan(self, desired: Mapping[str, Sequence[Object]], lookup: Lookup, scales: Mapping[str, Scale] = MappingProxyType({})) -> Plan:
        self._enter("plan", *desired)
        changes, findings = [], list(self.findings)
        for workload, objects in desired.items():
            live = self.live.get(workload, {})
            for item in objects:
                fill(item, lookup)
                if workload in self.foreign:
                    message = f"{describe(item)} already exists and is not managed by kelvin-provision"
                    findings.append(Finding("not-ours", workload, describe(item), message))
                else:
                    changes.append(self._change(workload, live.get(describe(item)), item))
            gone = set(live) - {describe(item) for item in objects}
            changes += [Change(Op.DELETE, workload, name, "no longer in the workload") for name in sorted(gone)]
        return Plan(
            tuple(changes),
            tuple(findings),
            interruptions=tuple(interruption for interruption in self.interruptions if interruption.workload in desired),
        )

    def drift(self, applied: Mapping[str, Sequence[Object]]) -> tuple[Drift, ...]:
        self._enter("drift", *applied)
        missing: list[Drift] = []
        for workload, objects in applied.items():
            live = self.live.get(workload, {})
            missing += [Drift(workload, describe(item)) for item in objects if describe(item) not in live]
        return (*missing, *(drift for drift in self.drifts if drift.workload in applied))

    def scales(self, applied: Mapping[str, Sequence[Object]]) -> Mapping[str, Scale]:
        self._enter("scales")
        return {workload: dict(self.scaled.get(workload, {})) for workload in applied}

    def retry_stuck_pods(self, workload: str) -> None:
        self._enter("retry_stuck_pods", workload)

    def waves(self, desired: Mapping[str, Sequence[Object]]) -> Sequence[Mapping[str, Sequence[Object]]]:
        return self.split(desired)

    def release(self, desired: Mapping[str, Sequence[Object]]) -> None:
        pass

    def put(self, workload: str, objects: Sequence[Object], lookup: Lookup, scale: Scale = UNSCALED) -> None:
        self._enter("put", workload)
        self.scaled[workload] = dict(scale)
        self.changed.set()
        filled = {describe(item): (item, fill(item, lookup)) for item in objects}
        self.stopped.discard(workload)
        for name, (item, full) in filled.items():
            self.live.setdefault(workload, {})[name] = item | {"filled": full}

    def wait(
        self,
        desired: Mapping[str, Sequence[Object]],
        policy: WaitPolicy,
        progress: Progress,
        stop: Callable[[], bool],
        whole: Mapping[str, Sequence[Object]] = MappingProxyType({}),
    ) -> Mapping[str, Health]:
        self._enter("wait", *desired)
        stopped = stop()
        healths = {}
        for workload, objects in desired.items():
            progress(Started(workload, "starting"))
            health = self._health(workload, objects)
            if health.phase is Phase.READY and (stopped or policy.timeout < policy.settle):
                health = Health(Phase.WAITING, f"{workload} is settling")
            healths[workload] = health
            if health.phase is Phase.READY:
                self.serving[workload] = self.image_of(workload) or ""
            if health.phase is not Phase.WAITING:
                progress(Finished(workload, "running" if health.phase is Phase.READY else "failed", health.why))
        return healths

    def finish(self, workload: str, objects: Sequence[Object]) -> None:
        self._enter("finish", workload)
        self.changed.set()
        keep = {describe(item) for item in objects}
        left = {name: item for name, item in self.live.pop(workload, {}).items() if name in keep}
        if left:
            self.live[workload] = left
        else:
            self.serving.pop(workload, None)

    def revert(self, workload: str, objects: Sequence[Object], lookup: Lookup, scale: Scale = UNSCALED) -> None:
        self._enter("revert", workload)
        self.scaled[workload] = dict(scale)
        self.changed.set()
        filled = {describe(item): item | {"filled": fill(item, lookup)} for item in objects}
        self.live.pop(workload, None)
        self.stopped.discard(workload)
        if filled:
            self.live[workload] = filled
        else:
            self.serving.pop(workload, None)

    def stop(self, workload: str) -> None:
        self._enter("stop", workload)
        self.changed.set()
        if workload in self.live:
            self.stopped.add(workload)
        self.serving.pop(workload, None)

    def evidence(self, workload: str) -> tuple[str, ...]:
        health = self._health(workload, ()) if workload in self.live else Health(Phase.READY)
        return (f"{workload}: {health.why}",) if health.phase is Phase.FAILED else ()

    def observe(self) -> Mapping[str, Observation]:
        self._enter("observe")
        seen = {}
        for workload, objects in self.live.items():
            health = Health(Phase.READY) if workload in self.stopped else self._health(workload, ())
            state = Observed.STOPPED if workload in self.stopped else Observed.FAILED if health.phase is Phase.FAILED else Observed.RUNNING
            revision = max(int(item["metadata"]["annotations"][REVISION]) for item in objects.values())
            seen[workload] = Observation(state, (health.why,) if health.why else (), SEEN, revision, hold=self.holds.get(workload))
        return seen

    def logs(
        self,
        workload: str,
        *,
        tail: int | None = None,
        since: str | None = None,
        previous: bool = False,
        follow: bool,
        stop: Callable[[], bool],
    ) -> Iterator[LogLine]:
        self._enter("logs", workload)
        if workload not in self.live:
            return
        logs = self.previous_log_lines if previous else self.log_lines
        texts = logs.get(workload) or logs.get(self.image_of(workload) or "", [])
        lines = [LogLine(f"{workload}-0", workload, f"2026-01-02T03:04:05.{at:09}Z", text) for at, text in enumerate(texts)]
        lines = [line for line in lines if not since or line.time >= since]
        yield from lines[-tail:] if tail else lines if tail is None else []
        while follow and workload in self.live and not stop():
            time.sleep(0.01)

    def remove(self, workload: str) -> tuple[str, ...]:
        self._enter("remove", workload)
        if workload in self.live:
            self.changed.set()
        self.serving.pop(workload, None)
        self.stopped.discard(workload)
        return tuple(self.live.pop(workload, {}))

    def rehearse(
        self,
        workload: str,
        objects: Sequence[Object],
        terms: RehearsalTerms,
        lookup: Lookup,
        *,
        progress: Progress,
        stop: Callable[[], bool],
    ) -> Rehearsed:
        self._enter("rehearse", workload)
        for item in objects:
            fill(item, lookup)
        self.rehearsal_terms = terms
        self.rehearsals.add(workload)
        progress(Started(workload, "rehearsing"))
        self.rehearsing()
        result = ended() if stop() else self.rehearsed.get(workload)
        if result is None:
            why = self.broken.get(workload) or self.broken.get(next((item["spec"].get("image") for item in objects), ""))
            evidence = (f"{workload}: {why}",) if why else ()
            result = Rehearsed(RehearsalOutcome.FAILED if why else RehearsalOutcome.OK, why or "", evidence)
        self.rehearsals.discard(workload)
        progress(Finished(workload, f"rehearsal {result.outcome}", result.reason))
        return result

    def end_rehearsals(self) -> tuple[str, ...]:
        self._enter("end_rehearsals")
        gone = tuple(sorted(self.rehearsals))
        self.rehearsals.clear()
        return gone

    def lease(self) -> Lease:
        self._enter("lease")
        return self.leases[0]

    def take_lease(self, holder: str, *, term: int = 1, over: str = "") -> Lease:
        self._enter("take_lease")
        with SWAPPING:
            self.leases[0] = taken(self.leases[0], holder, term=term, over=over, now=SEEN) or self.leases[0]
            return self.leases[0]

    def watch(self, stop: Callable[[], bool]) -> Iterator[bool]:
        self.changed.set()
        while not stop():
            changed = self.changed.wait(0.02)
            if changed:  # clearing what was not seen would lose a change that comes at this very moment
                self.changed.clear()
            yield changed

    # --- for tests ---------------------------------------------------------------------------------

    def image_of(self, workload: str) -> str | None:
        """The image that was put last, or None."""
        return next((item["spec"].get("image") for item in self.live.get(workload, {}).values()), None)

    def _enter(self, verb: str, *workloads: str) -> None:
        for workload in workloads or ("",):
            self.calls.append((verb, workload))
            self.before(verb, workload)
        if self.unreachable:
            raise ClusterUnreachable("the fake cluster does not answer")

    def _health(self, workload: str, objects: Sequence[Object]) -> Health:
        script = self.next_healths.get(workload)
        if script:
            return script.pop(0)
        missing = [describe(item) for item in objects if describe(item) not in self.live.get(workload, {})]
        if missing:
            return Health(Phase.WAITING, f"{missing[0]} is not there")
        why = self.broken.get(workload) or self.broken.get(self.image_of(workload) or "")
        return Health(Phase.FAILED, why) if why else Health(Phase.READY)

    @staticmethod
    def _stamped(workload: str, revision: int, name: str, spec: Object) -> Object:
        kind, _, own = name.partition("/")
        digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()
        notes = {REVISION: str(revision), SPEC_HASH: digest}
        metadata = {"name": own, "labels": {OWNER: workload}, "annotations": notes}
        return {"apiVersion": "fake/v1", "kind": kind, "metadata": metadata, "spec": spec}

    @staticmethod
    def _change(workload: str, live: Object | None, item: Object) -> Change:
        if live is None:
            return Change(Op.CREATE, workload, describe(item), "not on the cluster")
        if live["spec"] != item["spec"]:
            return Change(Op.UPDATE, workload, describe(item), "spec differs")
        return Change(Op.KEEP, workload, describe(item), "unchanged")


def references(objects: Sequence[Object]) -> tuple[str, ...]:
    """The secret references in a set of objects."""
    return tuple(references_in(list(objects)))
