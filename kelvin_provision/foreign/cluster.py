"""The cluster behind the gate: API server, Docker Engine, login commands of a kubeconfig, container logs, notes of workloads."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from types import MappingProxyType

from kelvin_provision.cluster.health import Health, WaitPolicy
from kelvin_provision.cluster.lease import Lease
from kelvin_provision.cluster.logs.lines import LogLine
from kelvin_provision.cluster.nodes import ClusterNode, Place
from kelvin_provision.cluster.plan import Drift, Plan
from kelvin_provision.cluster.protocol import UNSCALED, Cluster, Lookup, Scale
from kelvin_provision.cluster.rehearsal import RehearsalTerms, Rehearsed
from kelvin_provision.cluster.survey import ClusterInfo, ClusterState, Survey
from kelvin_provision.errors import ProvisionError
from kelvin_provision.events import Progress
from kelvin_provision.foreign.known import of_value
from kelvin_provision.foreign.log_lines import LogLines
from kelvin_provision.foreign.sanitizer import Sanitizer, Secrets
from kelvin_provision.masking.documents import secrets_in
from kelvin_provision.observation import Observation
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.references import references_in
from kelvin_provision.spec.workload import Object, Spec

Objects = Mapping[str, Sequence[Object]]


class SanitizedCluster:
    """As `cluster`, whose words are cleaned. `lookup` knows what the objects of a verb refer to, besides the secrets of the box.

    `before_change` is asked before every verb that changes something, and raises where this box may not.
    """

    def __init__(
        self,
        cluster: Cluster,
        sanitizer: Sanitizer,
        lookup: Callable[[], Lookup],
        before_change: Callable[[Cluster], None] = lambda _: None,
    ) -> None:
        self._cluster = cluster
        self._before_change = before_change
        self._sanitizer = sanitizer
        self._lookup = lookup
        self.type = cluster.type

    def info(self) -> ClusterInfo:
        with self._sanitizer.errors():
            return self._cluster.info()

    def state(self) -> ClusterState:
        with self._sanitizer.errors():
            return self._sanitizer.value(self._cluster.state())

    def node_ports(self) -> Mapping[int, str]:
        with self._sanitizer.errors():
            return self._sanitizer.value(self._cluster.node_ports())

    def survey(self, desired: Objects) -> Survey:
        more = self._of(desired)
        with self._sanitizer.errors(more):
            return self._sanitizer.value(self._cluster.survey(desired), more)

    def render(self, spec: Spec, locks: Sequence[ImageLock], revision: int, members: Collection[str] = frozenset()) -> tuple[Object, ...]:
        with self._sanitizer.errors():
            return self._cluster.render(spec, locks, revision, members)

    def nodes(self) -> tuple[ClusterNode, ...]:
        with self._sanitizer.errors():
            return self._sanitizer.value(self._cluster.nodes())

    def places(self, desired: Objects) -> tuple[Place, ...]:
        with self._sanitizer.errors(self._of(desired)):
            return self._cluster.places(desired)

    def mark_nodes(self, marks: Mapping[str, Collection[str]]) -> None:
        with self._sanitizer.errors():
            self._before_change(self._cluster)
            self._cluster.mark_nodes(marks)

    def plan(self, desired: Objects, lookup: Lookup, scales: Mapping[str, Scale] = MappingProxyType({})) -> Plan:
        more = self._of(desired, lookup)
        with self._sanitizer.errors(more):
            return self._sanitizer.value(self._cluster.plan(desired, lookup, scales), more)

    def scales(self, applied: Objects) -> Mapping[str, Scale]:
        with self._sanitizer.errors(self._of(applied)):
            return self._cluster.scales(applied)

    def drift(self, applied: Objects) -> tuple[Drift, ...]:
        more = self._of(applied)
        with self._sanitizer.errors(more):
            return self._sanitizer.value(self._cluster.drift(applied), more)

    def retry_stuck_pods(self, workload: str) -> None:
        with self._sanitizer.errors():
            self._before_change(self._cluster)
            self._cluster.retry_stuck_pods(workload)

    def waves(self, desired: Objects) -> Sequence[Objects]:
        with self._sanitizer.errors():
            return self._cluster.waves(desired)

    def release(self, desired: Objects) -> None:
        with self._sanitizer.errors(self._of(desired)):
            self._before_change(self._cluster)
            self._cluster.release(desired)

    def put(self, workload: str, objects: Sequence[Object], lookup: Lookup, scale: Scale = UNSCALED) -> None:
        with self._sanitizer.errors(self._of({workload: objects}, lookup)):
            self._before_change(self._cluster)
            self._cluster.put(workload, objects, lookup, scale)

    def wait(
        self, desired: Objects, policy: WaitPolicy, progress: Progress, stop: Callable[[], bool], whole: Objects = MappingProxyType({})
    ) -> Mapping[str, Health]:
        more = self._of(desired)
        with self._sanitizer.errors(more):
            health = self._cluster.wait(desired, policy, self._sanitizer.progress(progress, more), stop, whole)
            return self._sanitizer.value(health, more)

    def finish(self, workload: str, objects: Sequence[Object]) -> None:
        with self._sanitizer.errors(self._of({workload: objects})):
            self._before_change(self._cluster)
            self._cluster.finish(workload, objects)

    def revert(self, workload: str, objects: Sequence[Object], lookup: Lookup, scale: Scale = UNSCALED) -> None:
        with self._sanitizer.errors(self._of({workload: objects}, lookup)):
            self._before_change(self._cluster)
            self._cluster.revert(workload, objects, lookup, scale)

    def stop(self, workload: str) -> None:
        with self._sanitizer.errors():
            self._before_change(self._cluster)
            self._cluster.stop(workload)

    def evidence(self, workload: str) -> tuple[str, ...]:
        with self._sanitizer.errors():
            return self._sanitizer.lines(self._cluster.evidence(workload))

    def observe(self) -> Mapping[str, Observation]:
        with self._sanitizer.errors():
            return self._sanitizer.value(self._cluster.observe())

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
        """An application's words are its own: known secrets are masked and nothing else, and control characters stay (see `LogLines`)."""
        with self._sanitizer.errors():
            lines = self._cluster.logs(workload, tail=tail, since=since, previous=previous, follow=follow, stop=stop)
        return LogLines(self._sanitizer.redactor).masked(self._sanitizer.iterator(lines))

    def remove(self, workload: str) -> tuple[str, ...]:
        with self._sanitizer.errors():
            self._before_change(self._cluster)
            return self._cluster.remove(workload)

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
        more = self._of({workload: objects}, lookup)
        with self._sanitizer.errors(more):
            self._before_change(self._cluster)
            result = self._cluster.rehearse(workload, objects, terms, lookup, progress=self._sanitizer.progress(progress, more), stop=stop)
            return self._sanitizer.value(result, more)

    def end_rehearsals(self) -> tuple[str, ...]:
        with self._sanitizer.errors():
            self._before_change(self._cluster)
            return self._cluster.end_rehearsals()

    def lease(self) -> Lease | None:
        with self._sanitizer.errors():
            return self._sanitizer.value(self._cluster.lease())

    def take_lease(self, holder: str, *, term: int = 1, over: str = "") -> Lease | None:
        with self._sanitizer.errors():
            return self._sanitizer.value(self._cluster.take_lease(holder, term=term, over=over))

    def watch(self, stop: Callable[[], bool]) -> Iterator[bool]:
        with self._sanitizer.errors():
            changes = self._cluster.watch(stop)
        return self._sanitizer.iterator(changes)

    def _of(self, objects: Objects, lookup: Lookup | None = None) -> Secrets:
        """The secrets in these objects, and those that they refer to."""

        def more() -> Iterator[bytes]:
            documents = [document for group in objects.values() for document in group]
            yield from (secret.encode("utf-8", "surrogatepass") for secret in secrets_in(documents))
            for name in dict.fromkeys(references_in(documents)):
                try:
                    value = (lookup or self._lookup())(name)
                except ProvisionError:
                    continue  # what is not on this box was not sent
                yield from of_value(value)

        return more
