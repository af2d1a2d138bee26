"""Kubernetes behind the Cluster protocol: each verb is a few calls to the modules beside this one.

Objects are applied by server-side apply with our field manager. Objects without our label are never changed or deleted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from kelvin_provision.cluster.health import Health, WaitPolicy
from kelvin_provision.cluster.kubernetes import applying, identity, inventory, planning, scaling, survey
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.applying import rejections_of
from kelvin_provision.cluster.kubernetes.deletion import removal, stopping, stuck_pods
from kelvin_provision.cluster.kubernetes.judge import ports
from kelvin_provision.cluster.kubernetes.reading import observing
from kelvin_provision.cluster.kubernetes.render import placing, waves
from kelvin_provision.cluster.kubernetes.render import revision as revisions
from kelvin_provision.cluster.kubernetes.render.objects import Context
from kelvin_provision.cluster.logs.lines import LogLine
from kelvin_provision.cluster.nodes import ClusterNode, Place
from kelvin_provision.cluster.plan import Drift, Plan
from kelvin_provision.cluster.protocol import UNSCALED, Lookup, Scale
from kelvin_provision.cluster.rehearsal import RehearsalTerms, Rehearsed
from kelvin_provision.cluster.survey import ClusterInfo, ClusterState, Survey
from kelvin_provision.errors import ClusterRefused, RemovalUnfinished
from kelvin_provision.events import Progress
from kelvin_provision.files.procfs import listening_ports
from kelvin_provision.observation import Observation
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.workload import Object, Spec
from kelvin_provision.status import RehearsalOutcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kelvin_provision.cluster.lease import Lease

REMOVAL_TIMEOUT = 60.0
"""Seconds that `stop` and `remove` wait for the last pod; a pod has 30 to end by itself."""

CUSTOMS_TIMEOUT = 15.0
"""Seconds that `revert` waits for custom resources before it puts their earlier controller back."""


class Kubernetes:
    """k3s or any other. `settle` in seconds; `pull_hosts` are registries that we have credentials for.

    `node` is this box's name in the cluster; by default the node of our host name, or the only node.
    """

    type = "kubernetes"

    def __init__(
        self,
        *,
        kubeconfig: Path,
        context: str | None = None,
        namespace: str = "app",
        name: str = "",
        settle: float = 5.0,
        pull_hosts: Collection[str] = (),
        node: str | None = None,
        removal_timeout: float = REMOVAL_TIMEOUT,
    ) -> None:
        self._api = Api(kubeconfig=kubeconfig, context=context)
        self._namespace = namespace
        self._name = name
        self._settle = math.ceil(settle)
        self._pull_hosts = frozenset(pull_hosts)
        self._node = node
        self._removal_timeout = removal_timeout
        self._info: ClusterInfo | None = None
        self._hosts: dict[str, str] = {}

    # --- the cluster itself ------------------------------------------------------------------------

    def info(self) -> ClusterInfo:
        """Raises ClusterRefused if no node of the cluster is this box."""
        with rejections_of("the cluster"):
            self._info = identity.cluster_info(self._api, self._node)
        return self._info

    def state(self) -> ClusterState:
        """See protocol.Cluster.state."""
        info = self.info()
        with rejections_of("the cluster"):
            return identity.cluster_state(self._api, self._namespace, info)

    def node_ports(self) -> Mapping[int, str]:
        """See protocol.Cluster.node_ports."""
        with rejections_of("the cluster"):
            return identity.node_ports(self._api)

    def survey(self, desired: Mapping[str, Sequence[Object]]) -> Survey:
        """See protocol.Cluster.survey."""
        info = self._info or self.info()
        with rejections_of("survey"):
            return survey.survey(self._api, self._namespace, info, desired, listening_ports)

    def render(self, spec: Spec, locks: Sequence[ImageLock], revision: int, members: Collection[str] = frozenset()) -> tuple[Object, ...]:
        """See protocol.Cluster.render. The server's version and our node are read on the first call only, members when they are new."""
        info = self._info or self.info()
        has_sleep = identity.at_least(info.version, identity.PRE_STOP_SLEEP)
        site = self._site(info, members) if members else {}
        context = Context(self._namespace, self._name, info.node, info.node_label, self._settle, self._pull_hosts, has_sleep, site)
        return revisions.render(spec, locks, revision, context)

    def _site(self, info: ClusterInfo, members: Collection[str]) -> dict[str, str]:
        """Members of which the cluster knows nothing run no pods."""
        if not self._hosts.keys() >= {*members}:
            self._hosts = {node.name: node.host for node in self.nodes()}
        return {name: self._hosts[name] for name in {info.node, *members} if name in self._hosts}

    # --- its nodes ---------------------------------------------------------------------------------

    def nodes(self) -> tuple[ClusterNode, ...]:
        """See protocol.Cluster.nodes."""
        with rejections_of("the nodes"):
            return identity.nodes(self._api, self._namespace)

    def places(self, desired: Mapping[str, Sequence[Object]]) -> tuple[Place, ...]:
        """See protocol.Cluster.places."""
        with rejections_of("the nodes"):
            return identity.places(self._api, self._namespace, desired)

    def mark_nodes(self, marks: Mapping[str, Collection[str]]) -> None:
        """See protocol.Cluster.mark_nodes."""
        with rejections_of("the nodes"):
            identity.mark_nodes(self._api, self._namespace, marks)

    # --- a transaction -----------------------------------------------------------------------------

    def waves(self, desired: Mapping[str, Sequence[Object]]) -> Sequence[Mapping[str, Sequence[Object]]]:
        """See protocol.Cluster.waves."""
        return waves.waves(desired)

    def plan(self, desired: Mapping[str, Sequence[Object]], lookup: Lookup, scales: Mapping[str, Scale] = MappingProxyType({})) -> Plan:
        """See protocol.Cluster.plan."""
        with rejections_of("plan"):
            return planning.Planner(self._api, self._namespace, desired, lookup, scales).run()

    def scales(self, applied: Mapping[str, Sequence[Object]]) -> Mapping[str, Scale]:
        """See protocol.Cluster.scales."""
        with rejections_of("replicas"):
            return {workload: scaling.scales(self._api, self._namespace, objects, workload) for workload, objects in applied.items()}

    def release(self, desired: Mapping[str, Sequence[Object]]) -> None:
        """See protocol.Cluster.release. Of a workload that goes, no new pod makes the old one end: it is stopped."""
        with rejections_of("ports"):
            applying.release(self._api, self._namespace, desired)
            pods = partial(inventory.of_workload, self._api, self._namespace, kind=("v1", "Pod"))
            for workload in ports.stopped_for_host_ports(desired, lambda name: pods(workload=name)):
                stopping.stop(self._api, self._namespace, workload, timeout=self._removal_timeout)

    def put(self, workload: str, objects: Sequence[Object], lookup: Lookup, scale: Scale = UNSCALED) -> None:
        """See protocol.Cluster.put. Raises ClusterRefused; what was applied before stays for `revert` to undo."""
        applying.put(self._api, self._namespace, workload, objects, lookup, scale=scale)

    def wait(
        self,
        desired: Mapping[str, Sequence[Object]],
        policy: WaitPolicy,
        progress: Progress,
        stop: Callable[[], bool],
        whole: Mapping[str, Sequence[Object]] = MappingProxyType({}),
    ) -> Mapping[str, Health]:
        """See protocol.Cluster.wait."""
        from kelvin_provision.cluster.kubernetes.watching import waiting  # imported here, as below: commands that do not wait start sooner

        with rejections_of("waiting"):
            return waiting.wait(self._api, self._namespace, desired, policy, waiting.WaitCallbacks(progress, stop), whole=whole)

    def finish(self, workload: str, objects: Sequence[Object]) -> None:
        """See protocol.Cluster.finish. What holds data stays until `remove`. A custom resource that hangs keeps its controller."""
        try:
            self._prune(workload, objects)
        except RemovalUnfinished as error:
            raise ClusterRefused(str(error), evidence=error.evidence) from error

    def _prune(self, workload: str, objects: Sequence[Object]) -> None:
        with rejections_of(workload):
            removal.prune(self._api, self._namespace, workload, objects, timeout=self._removal_timeout)

    def revert(self, workload: str, objects: Sequence[Object], lookup: Lookup, scale: Scale = UNSCALED) -> None:
        """See protocol.Cluster.revert. What the server refuses is raised at the end, when everything else is back."""
        if not objects:
            self.remove(workload)
            return
        api, home = self._api, self._namespace
        with suppress(RemovalUnfinished), rejections_of(workload):  # what hangs is looked at again below
            removal.delete_customs(api, home, workload, objects, timeout=CUSTOMS_TIMEOUT)
        refused = applying.put_back(api, home, workload, objects, lookup, scale=scale)
        try:
            self._prune(workload, objects)
        except ClusterRefused as error:
            refused.append(error)
        with rejections_of(workload):
            stuck_pods.replace_stuck_pods(api, home, workload, objects)
            removal.prune_foundations(api, home, workload, objects, timeout=self._removal_timeout)
        if refused:
            message = "; ".join(map(str, refused))
            raise ClusterRefused(message, evidence=[line for error in refused for line in error.evidence]) from refused[0]

    # --- other changes -----------------------------------------------------------------------------

    def stop(self, workload: str) -> None:
        """See protocol.Cluster.stop. Waits until the last pod is gone."""
        with rejections_of(workload):
            stopping.stop(self._api, self._namespace, workload, timeout=self._removal_timeout)

    def remove(self, workload: str) -> tuple[str, ...]:
        """See protocol.Cluster.remove. Waits until the last pod is gone."""
        with rejections_of(workload):
            return removal.remove(self._api, self._namespace, workload, timeout=self._removal_timeout)

    def retry_stuck_pods(self, workload: str) -> None:
        """See protocol.Cluster.retry_stuck_pods."""
        with rejections_of(workload):
            stuck_pods.retry_stuck_pods(self._api, self._namespace, workload)

    # --- rehearsals --------------------------------------------------------------------------------

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
        """See protocol.Cluster.rehearse."""
        from kelvin_provision.cluster.kubernetes.rehearsal import run

        info = self._info or self.info()
        objects, elsewhere = placing.at_home(objects, info.node_label)
        if elsewhere:
            return Rehearsed(RehearsalOutcome.NOT_POSSIBLE, f"{elsewhere} runs on another node, and a rehearsal is started on this one")
        with rejections_of(workload):
            box = run.Box(self._api, self._namespace, info.node)
            return run.rehearse(box, workload, objects, terms, lookup, progress=progress, stop=stop)

    def end_rehearsals(self) -> tuple[str, ...]:
        """See protocol.Cluster.end_rehearsals."""
        from kelvin_provision.cluster.kubernetes.rehearsal.cleaning import clean

        with rejections_of("rehearsals"):
            return clean(self._api, self._namespace)

    # --- who leads ---------------------------------------------------------------------------------

    def lease(self) -> Lease:
        """See protocol.Cluster.lease."""
        from kelvin_provision.cluster.kubernetes import lease

        with rejections_of("the lease"):
            return lease.read(self._api, self._namespace)

    def take_lease(self, holder: str, *, term: int = 1, over: str = "") -> Lease:
        """See protocol.Cluster.take_lease."""
        from kelvin_provision.cluster.kubernetes import lease

        with rejections_of("the lease"):
            return lease.take(self._api, self._namespace, holder, term=term, over=over)

    # --- reading -----------------------------------------------------------------------------------

    def drift(self, applied: Mapping[str, Sequence[Object]]) -> tuple[Drift, ...]:
        """See protocol.Cluster.drift."""
        with rejections_of("drift"):
            return observing.drifts(self._api, self._namespace, applied)

    def evidence(self, workload: str) -> tuple[str, ...]:
        """See protocol.Cluster.evidence."""
        from kelvin_provision.cluster.kubernetes.reading import evidence

        return evidence.evidence(self._api, self._namespace, workload)

    def observe(self) -> Mapping[str, Observation]:
        """See protocol.Cluster.observe."""
        with rejections_of("observation"):
            return observing.observe(self._api, self._namespace)

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
        """See protocol.Cluster.logs."""
        from kelvin_provision.cluster.kubernetes.reading import logs
        from kelvin_provision.cluster.logs.sources import LogOptions

        with rejections_of(workload):
            yield from logs.logs(self._api, self._namespace, workload, LogOptions(tail, since, previous=previous, follow=follow), stop)

    def watch(self, stop: Callable[[], bool]) -> Iterator[bool]:
        """See protocol.Cluster.watch."""
        from kelvin_provision.cluster.kubernetes.watching.changes import changes

        return changes(self._api, self._namespace, stop)
